"""vcbench from Python: read a run, score recordings, convert recordings. What a notebook or a script needs.

    import vcbench

    run = vcbench.load_run("runs/quick")
    run.leaderboard.query("condition == 'all' and column == 'wer'")
    vcbench.score("converted.wav", source="source.wav", target="target.wav", text="What is said.")
    wave, rate = vcbench.convert("source.wav", "target.wav")

A recording is a path, or a pair of samples (channels last, if there are several) and sampling rate in Hz.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import ALL
from vcbench.base.errors import UserError
from vcbench.base.files import hash_file
from vcbench.base.machine import cache_root, pick_device
from vcbench.base.nouns import counted
from vcbench.reporting.formats import long_table
from vcbench.reporting.publish import tabulate, unscored
from vcbench.run import config
from vcbench.run.folder import read_all_scores
from vcbench.run.metrics import build_metrics
from vcbench.run.run import Run
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.ingest import copy_audio
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.stages.convert_files import convert_utterance, open_converter

Recording = str | Path | tuple[np.ndarray, int]
METRICS = ("speaker_similarity_ge2e", "word_error_rate", "naturalness")


@dataclass(frozen=True)
class LoadedRun:
    """A run that has been scored."""

    run: Run

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per score: `system, column, trial, condition, value, weight, source_speaker, target_speaker, detail`."""
        return read_all_scores(self.run.files, self.run.metrics)

    @cached_property
    def leaderboard(self) -> pd.DataFrame:
        """A row per condition, system and column: mean, 95% interval, count, rank; as leaderboard.csv."""
        return long_table(tabulate(self.run, unscored(self.run)))

    @property
    def trials(self) -> pd.DataFrame:
        """The list of trials: source, target speaker, references, enrolment, condition."""
        return self.run.trials

    def recording(self, system: str, trial: str) -> Path:
        """The FLAC file of a conversion."""
        path = self.run.files.conversion(system, trial)
        if not path.is_file():
            raise UserError(f"{self.run.folder} has no conversion of {trial!r} by {system!r}.")
        return path


def load_run(folder: str | Path) -> LoadedRun:
    """Open a run's folder.

    Raises:
        UserError: it is not a run, or it is not converted and scored.
    """
    run = Run.open(Path(folder))
    unscored(run)
    return LoadedRun(run)


def score(
    converted: Recording | Sequence[Recording],
    source: Recording | Sequence[Recording],
    target: Recording | Sequence[Recording],
    text: str | Sequence[str] | None = None,
    metrics: Sequence[str] = METRICS,
    device: str = "auto",
) -> pd.DataFrame:
    """Score conversions, one or as many as there are sources and targets; a row each, a column per figure.

    Args:
        target: a recording of the target's voice, which similarity is measured against; best one that no system was given.
        text: what the sources say; without it, word error rates are against what the recogniser hears in the source.
        metrics: installed metrics of recordings, or ``file.py:Class``; `vcbench metrics` lists them. Options are `quick`'s.

    Raises:
        UserError: a number of recordings that differs, a metric that does not score recordings, or unusable audio.
        ModelUnavailable: a metric's model is not on this machine; the message says how to get it.
    """
    built = _metrics(metrics)
    sources, targets = _listed(source), _listed(target)
    texts = [text] if text is None or isinstance(text, str) else list(text)
    made = _listed(converted)
    texts = texts * len(made) if texts == [None] else texts
    if not len(made) == len(sources) == len(targets) == len(texts):
        raise UserError(
            f"Got {counted(len(made), 'conversion')}, {counted(len(sources), 'source')}, "
            f"{counted(len(targets), 'target')} and {counted(len(texts), 'text')}; "
            "there must be as many of each."
        )
    with tempfile.TemporaryDirectory(prefix="vcbench-") as name:
        folder = Path(name)
        store = FeatureStore(cache_root() / "features", config.parse(config.resolve("quick")).features.mel)
        conversions = [
            _conversion(folder / str(index), store, *given)
            for index, given in enumerate(zip(made, sources, targets, texts, strict=True))
        ]
        return _measured(built, conversions, device)


def convert(
    source: Recording,
    target: Recording | Sequence[Recording],
    system: str | None = None,
    run: str | Path | None = None,
    checkpoint: str | Path | None = None,
) -> tuple[np.ndarray, int]:
    """Convert a recording to the voice of another: samples (n,) and sampling rate.

    Args:
        target: one or several recordings of the target's voice.
        system: one that comes trained with vcbench, by default the best one-shot system of these; with `run`, one of that run.
        run: the folder of a run.
        checkpoint: instead of these, a checkpoint's file.

    Raises:
        UserError: no such system, run or checkpoint, or a recording that cannot be used.
    """
    converter = open_converter(Path(run) if run else None, system, Path(checkpoint) if checkpoint else None)
    with tempfile.TemporaryDirectory(prefix="vcbench-") as name:
        given = [_file(one, Path(name) / f"target{index}.wav") for index, one in enumerate(_listed(target))]
        wave = convert_utterance(converter, _file(source, Path(name) / "source.wav"), given)
    return wave, converter.store.sampling_rate


def _measured(metrics: Sequence[AudioMetric], conversions: Sequence[Conversion], device: str) -> pd.DataFrame:
    columns: dict[str, list[float]] = {}
    for metric in metrics:
        metric.load(pick_device(device))
        try:
            results = metric.measure(conversions)
        finally:
            metric.unload()
        for index, measured in enumerate(results):
            for one in measured:
                columns.setdefault(one.column, [np.nan] * len(conversions))[index] = one.value
    return pd.DataFrame(columns, index=pd.RangeIndex(len(conversions)))


def _metrics(names: Sequence[str]) -> list[AudioMetric]:
    options = config.resolve("quick")["metrics"]
    built = build_metrics({name: options.get(name, {}) for name in names})
    for name, metric in built.items():
        if not isinstance(metric, AudioMetric):
            raise UserError(f"The metric {name} scores systems or whole runs, not recordings; leave it out.")
        metric.check()
    return [metric for metric in built.values() if isinstance(metric, AudioMetric)]


def _listed(given: Any) -> list[Recording]:
    """One recording or several, as a list."""
    single = isinstance(given, str | Path) or (isinstance(given, tuple) and isinstance(given[0], np.ndarray))
    return [given] if single else list(given)


def _file(recording: Recording, path: Path) -> Path:
    """The recording's file: its own, or for samples one that is written to `path`."""
    if isinstance(recording, str | Path):
        return Path(recording)
    samples, rate = recording
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def _conversion(
    folder: Path, store: FeatureStore, made: Recording, source: Recording, target: Recording, text: str | None
) -> Conversion:
    utterances = {}
    for role, recording in (("source", source), ("target", target), ("converted", made)):
        copy = folder / f"{role}.flac"
        copy_audio(_file(recording, folder / f"{role}.wav"), copy, store.sampling_rate)
        words = text if role == "source" else None
        utterances[role] = Utterance(f"{folder.name}/{role}", f"{folder.name}/{role}", copy, words, features=store)
    spoken, voice, path = utterances["source"], utterances["target"], utterances["converted"].path
    return Conversion(
        system="score",
        trial=folder.name,
        condition=ALL,
        path=path,
        audio_hash=hash_file(path),
        source=spoken,
        spoken=spoken,
        target=Speaker(voice.speaker, (voice,)),
        enrolment=(voice,),
    )
