"""A leaderboard of made-up scores: three systems and a reference row."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd

from vcbench.api.scores import Column

COLUMNS = {
    "similarity": Column("GE2E cosine to target", True, 2),
    "ecapa": Column("ECAPA cosine", True, 2),
    "wer": Column("WER_against text & source (%)", False, 1, percent=True),
    "mel": Column("Mel error (log10)", False, 3),
    "parameters": Column("Parameters", None, 0),
}


NOTES = [
    (("similarity",), "similarity: encoder GE2E, revision 0.1.4"),
    (("wer",), "wer: tiny.en, normaliser 20250625"),
    ((), "No listener was asked."),
]


MISSING = {"ecapa": "weights_100% are not here; run `vcbench doctor`"}


SYSTEMS, REFERENCES = ["good_one", "near", "poor"], ["source"]


def made_up_trials() -> pd.DataFrame:
    conditions = [("seen->seen", "abcdef", 24), ("seen->unseen", "xyz", 12)]
    rows = [
        {"trial": f"{condition}-{k}", "condition": condition, "source_speaker": "abcdef"[k % 6], "target_speaker": t}
        for condition, targets, count in conditions
        for k, t in enumerate((targets * count)[1 : count + 1])
    ]
    return pd.DataFrame(rows)


def made_up_scores(trials: pd.DataFrame, levels: dict[str, float]) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = []
    for system, level in levels.items():
        for index, trial in enumerate(trials.itertuples()):
            common = (system, trial.trial, trial.condition, trial.source_speaker, trial.target_speaker)
            rows.append(("similarity", level + generator.normal(0, 0.02), 1.0, *common))
            rows.append(("wer", (index % 3) / 10 + (system == "poor") * 0.2, 5.0 + index % 7, *common))
        if system != "source":
            for unit, condition in [("u1", "seen"), ("u2", "seen"), ("u3", "unseen")]:
                rows.append(("mel", 0.2 + generator.normal(0, 0.01), 1.0, system, unit, condition, unit, unit))
            rows.append(("parameters", 1234567.0, 1.0, system, "all", "all", "", ""))
    fields = ["column", "value", "weight", "system", "trial", "condition", "source_speaker", "target_speaker"]
    return pd.DataFrame(rows, columns=fields).assign(detail="{}")


def made_up_run(failures: list[tuple[str, str, str, str]] | None = None, synthetic: bool = True) -> SimpleNamespace:
    rows = [*SYSTEMS, *REFERENCES]
    outcomes = pd.concat([made_up_trials().assign(system=row, error="") for row in rows], ignore_index=True)
    for system, trial, _, error in failures or []:
        outcomes.loc[(outcomes["system"] == system) & (outcomes["trial"] == trial), "error"] = error
    return SimpleNamespace(
        systems=SYSTEMS,
        rows=rows,
        outcomes=outcomes,
        corpus=SimpleNamespace(name="mini", title="mini", synthetic=synthetic),
        config=SimpleNamespace(name="quick_mini", seed=3),
    )


LEVELS = {"good_one": 0.9, "near": 0.895, "poor": 0.5, "source": 0.3}
