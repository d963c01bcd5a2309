"""Work of any size: a run of made-up scores with recordings, a metric that costs little, utterances with made-up features."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import torch

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.base.state import write_parquet, write_state
from vcbench.run import config
from vcbench.run.folder import Prepared, RunFolder, StoredSpeaker, StoredSplit, StoredUtterance
from vcbench.run.run import Run
from vcbench.run.trials import CONDITIONS
from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.phones import ALIGNED
from vcbench.speech.features.shards import Feature
from vcbench.speech.utterance import Corpus, Utterance

METRICS = """
from vcbench.api import Column, Metric

def made(index):
    role, detail = {0: ("target", ""), 1: ("words", "transcript"), 2: ("source", ""), 3: ("naturalness", "")}.get(index, ("", ""))
    column = Column(f"Made {index}", index != 1, 3, percent=index == 1, role=role, detail=detail)
    return type(f"Made{index}", (Metric,), {"name": f"made{index}", "columns": {f"made{index}": column}})

globals().update({f"Made{index}": made(index) for index in range(100)})
"""
SPEAKERS = 108  # as VCTK has; each says what one of the embedded corpus's says
NAMES = [f"p{number:03d}" for number in range(SPEAKERS)]
LINKS = 30_000  # to one file; a file system allows 65,000


def large_run(folder: Path, systems: int, trials: int, metrics: int) -> Run:
    """Systems differ from one another by less than their trials do, as real ones; WER has weights and transcripts."""
    plugin = folder.parent / "made_metrics.py"
    plugin.write_text(METRICS)
    rows = [f"system-{index:04d}" for index in range(systems)]
    values = config.resolve("tiny") | {
        "systems": {name: {"system": "imported_audio"} for name in rows},
        "metrics": {f"{plugin}:Made{index}": {} for index in range(metrics)},
        "reference_rows": [],
        "name": "large",
    }
    files = Run.create(folder, config.parse(values)).files
    mini = load_corpus("mini")
    _prepared(mini).write(files)
    table = _trials(trials)
    write_parquet(files.trials, table)
    _recordings(files, rows, list(table["trial"]), mini)
    for index in range(metrics):
        scores = pd.concat(_scores(table, rows, index), ignore_index=True)
        write_parquet(files.scores(f"Made{index}"), scores)
        write_state(files.scoring(f"Made{index}"), {"key": "0", "metric": "0", "settings": {}, "seconds": 1})
    return Run.open(folder)


def _prepared(mini: Corpus) -> Prepared:
    stored = tuple(
        StoredUtterance(
            id=f"{name}/{index}", speaker=name, text=one.text, span=None, held_out=True,
            path=one.path.relative_to(mini.root).as_posix(),
        )
        for number, name in enumerate(NAMES)
        for index, one in enumerate(mini.speakers[number % len(mini.speakers)].utterances)
    )  # fmt: skip
    people = tuple(StoredSpeaker(id=name, sex="FM"[number % 2], seen=True) for number, name in enumerate(NAMES))
    split = StoredSplit(training=(), held_out=stored, unseen=(), speakers=people)
    return Prepared(settings={}, rejected=(), fallbacks=(), varied_fallbacks=(), corpus_hash="0", split=split)


def _trials(count: int) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    records = []
    for index in range(count):
        source, target = generator.choice(SPEAKERS, 2, replace=False)
        said, first, *rest = (f"{NAMES[target]}/{number}" for number in range(5))
        records.append(
            {
                "trial": f"t{index:06d}",
                "condition": CONDITIONS[index % len(CONDITIONS)],
                "sex_pair": f"{'FM'[source % 2]}->{'FM'[target % 2]}",
                "source": f"{NAMES[source]}/{index % 20}",
                "source_speaker": NAMES[source],
                "target_speaker": NAMES[target],
                "references": [first],
                "enrolment": rest,
                "target_utterance": said,
            }
        )
    return pd.DataFrame(records)


def _recordings(files: RunFolder, rows: list[str], trials: list[str], mini: Corpus) -> None:
    """Every conversion is a link to the same recording."""
    wave = audio.read(mini.speakers[0].utterances[0].path, 22_050)
    for number, row in enumerate(rows):
        outcomes = pd.DataFrame({"trial": trials, "error": "", "audio_hash": "0"})
        write_parquet(files.outcomes(row), outcomes)
        for index, trial in enumerate(trials):
            path = files.converted(row) / f"{trial}.flac"
            if (number * len(trials) + index) % LINKS == 0:
                audio.write(path, wave, 22_050)
                original = path
            else:
                os.link(original, path)


def _scores(trials: pd.DataFrame, rows: list[str], metric: int) -> Iterator[pd.DataFrame]:
    generator = np.random.default_rng(metric)
    words_of = generator.integers(4, 15, len(trials)).astype(float)
    common = generator.normal(0, 0.1, len(trials))
    words = [{"transcript": f"words of trial {name} as the recogniser understood them"} for name in trials["trial"]]
    for number, row in enumerate(rows):
        values = 0.5 + 0.002 * number + common + generator.normal(0, 0.05, len(trials))
        yield pd.DataFrame(
            {
                "system": row,
                "column": f"made{metric}",
                "trial": trials["trial"],
                "condition": trials["condition"],
                "value": values.clip(0, 1),
                "weight": words_of if metric == 1 else 1.0,
                "source_speaker": trials["source_speaker"],
                "target_speaker": trials["target_speaker"],
                "detail": [json.dumps(one) for one in words] if metric == 1 else "{}",
            }
        )


class Loudness(AudioMetric):
    """Costs little more than to read the recording."""

    name = "loudness"
    columns: ClassVar[dict[str, Column]] = {"loudness": Column("Loudness (dB)", None)}
    reads = ()

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        waves = (audio.read(conversion.path, 16_000) for conversion in conversions)
        return [[Measurement("loudness", float(20 * np.log10(np.sqrt((wave**2).mean()) + 1e-9)))] for wave in waves]


def made_utterances(folder: Path, count: int) -> Iterator[tuple[Utterance, dict[str, Feature]]]:
    """Utterances of half a second with made-up features; a file of each is written if it is not there, but holds no audio."""
    frames = 40
    for index in range(count):
        path = folder / "recordings" / f"{index % 100}" / f"{index}.wav"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"recording {index}")
        features: dict[str, Feature] = {
            "mel": ({"mel": torch.full((80, frames), float(index))}, {}),
            "pitch": ({"log_f0": torch.full((frames,), 5.0), "voiced": torch.ones(frames, dtype=torch.bool)}, {}),
            "phones": ({"ids": torch.full((frames,), index % 40)}, {"how": ALIGNED}),
        }
        yield Utterance(f"p{index % 100}/{index}", f"p{index % 100}", path, "some words"), features
