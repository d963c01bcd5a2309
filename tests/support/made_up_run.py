"""A run of made-up scores: everything that the tables and the report read, but no recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from vcbench.api.scores import Score, scores_to_frame
from vcbench.base.state import write_parquet, write_state
from vcbench.run import config
from vcbench.run.folder import Prepared, StoredSpeaker, StoredSplit, StoredUtterance
from vcbench.run.run import Run
from vcbench.speech.corpora import load_corpus

REFERENCES = ["source", "target"]


TEXT = "<script>alert('said')</script>"


METRIC = """
from types import SimpleNamespace
from vcbench.api import Column, Metric

class Made(Metric):
    name = "made"
    columns = {
        "similarity_x": Column("Cosine <x>", True, 3, role="target"),
        "wer": Column("WER (%)", False, 1, percent=True, detail="transcript", role="words"),
        "mel": Column("Mel error", False, 3, detail="bands"),
        "count": Column("Count (%)", False, 1, percent=True),
    }

    def settings(self): return {"model": "none & nowhere"}
    def verification(self, run):
        return SimpleNamespace(same=(0.8, 0.9, 0.85), different=(0.1, 0.2, 0.3), threshold=0.5, error_rate=0.125)
"""


def made_up_scores(trials: pd.DataFrame, levels: dict[str, float]) -> list[Score]:
    generator, scores = np.random.default_rng(0), []
    for system, level in levels.items():
        for trial in trials.itertuples():
            where = (trial.trial, trial.condition)
            speakers = {"source_speaker": trial.source_speaker, "target_speaker": trial.target_speaker}
            value = level + generator.normal(0, 0.01)
            # A detail may have any keys: only those that a column declares mean something to the report.
            detail = {"heard": 3, "bands": None, "transcript": 7}
            scores.append(Score(system, "similarity_x", *where, value, **speakers, detail=detail))
            scores.append(Score(system, "wer", *where, 0.25, 8.0, **speakers, detail={"transcript": f"<u>{system}"}))
            if system not in REFERENCES:
                scores.append(Score(system, "mel", *where, 0.3, **speakers, detail={"bands": [0.1, 0.2, 0.6]}))
    return scores


def _other(trial: int) -> int:
    """Which speaker, of four, is the target of a trial; never the source, which goes round."""
    return (trial + 1 + trial // 4 % 3) % 4


def made_up_run(folder: Path, systems: list[str], levels: dict[str, float], count: int = 8) -> Run:
    """A run of trials with nothing but scores; one conversion failed."""
    plugin = folder.parent / "plugin.py"
    plugin.write_text(METRIC)
    values = config.resolve("tiny") | {"systems": {name: {"system": "imported_audio"} for name in systems}}
    settings = config.parse(
        values | {"metrics": {f"{plugin}:Made": {}}, "reference_rows": REFERENCES, "name": "made-up"}
    )
    files = Run.create(folder, settings).files
    mini = load_corpus("mini")
    speakers = mini.speakers[::9]
    kept = [utterance for speaker in speakers for utterance in speaker.utterances[:2]]
    stored = tuple(
        StoredUtterance(
            id=u.id,
            speaker=u.speaker,
            text=TEXT,
            span=None,
            held_out=True,
            path=u.path.relative_to(mini.root).as_posix(),
        )
        for u in kept
    )
    people = tuple(StoredSpeaker(id=speaker.id, sex=speaker.sex, seen=False) for speaker in speakers)
    Prepared(
        settings={},
        rejected=(("odd<one>", f"{mini.root / 'odd.flac'}: silent"),),
        fallbacks=(),
        varied_fallbacks=(),
        corpus_hash="0",
        split=StoredSplit(training=(), held_out=(), unseen=stored, speakers=people),
    ).write(files)
    trials = pd.DataFrame(
        {
            "trial": f"t{k}", "condition": "seen->seen" if k % 8 < 6 else "unseen->unseen", "sex_pair": "F->F",
            "source": kept[2 * (k % 4)].id, "source_speaker": kept[2 * (k % 4)].speaker,
            "target_speaker": kept[2 * _other(k)].speaker, "references": [kept[2 * _other(k)].id],
            "enrolment": [kept[2 * _other(k) + 1].id], "target_utterance": kept[2 * _other(k) + 1].id,
        }
        for k in range(count)
    )  # fmt: skip
    write_parquet(files.trials, trials)
    for row in [*systems, *REFERENCES]:
        outcomes = pd.DataFrame({"trial": trials["trial"], "error": "", "audio_hash": "0"})
        outcomes.loc[(outcomes["trial"] == "t7") & (row == "two"), "error"] = f"<i>broken</i> in {folder.resolve()}/x"
        write_parquet(files.outcomes(row), outcomes)
    write_parquet(files.scores("Made"), scores_to_frame(made_up_scores(trials, levels)))
    write_state(
        files.scoring("Made"), {"key": "0", "metric": "0", "settings": {"model": "none & nowhere"}, "seconds": 1}
    )
    return Run.open(folder)
