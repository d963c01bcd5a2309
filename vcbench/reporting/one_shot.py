"""How well a system of a run converts between voices that it does not know: what the best of the pretrained systems is chosen by."""

from __future__ import annotations

import pandas as pd

from vcbench.api.pretrained import OneShot
from vcbench.base.files import hash_json
from vcbench.base.settings import plain_json
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report.deciding import deciding
from vcbench.run.folder import RunError, read_all_scores
from vcbench.run.run import Run
from vcbench.run.trials import CONDITIONS, trials_hash

ONE_SHOT = CONDITIONS[-1]
ROLES = ("target", "source", "words")


def one_shot(run: Run, board: Leaderboard, row: str) -> OneShot:
    """Figures of a row's one-shot conversions.

    Raises:
        RunError: the run has none, or nothing measured similarity to the target and to the source, and word errors.
    """
    columns, scores = deciding(board), read_all_scores(run.files, run.metrics)
    own = scores[(scores["system"] == row) & (scores["condition"] == ONE_SHOT)].set_index("trial")
    parts = {role: own[own["column"] == columns[role]] for role in ROLES if role in columns}
    if len(parts) < len(ROLES) or any(part.empty for part in parts.values()):
        raise RunError(
            f"{run.folder} has no one-shot scores of {row}: it takes trials of the condition {ONE_SHOT}, and metrics of the "
            "similarity to the target and to the source, and of word errors."
        )
    target, source, words = (parts[role] for role in ROLES)
    nearer = target["value"] > source["value"].reindex(target.index)
    outcomes = run.outcomes[(run.outcomes["system"] == row) & (run.outcomes["condition"] == ONE_SHOT)]
    right = (1 - words["value"].clip(upper=1)) * words["weight"]
    counted = right[nearer.reindex(words.index, fill_value=False)].sum() / words["weight"].sum()
    return OneShot(
        key=_key(run, {columns[role] for role in ROLES}),
        trials=len(outcomes),
        converted_words=float(counted * (outcomes["error"] == "").mean()),
        similarity=float(target["value"].mean()),
        nearer_target=int(nearer.sum()),
        error_rate=_mean(words),
    )


def _mean(scores: pd.DataFrame) -> float:
    return float((scores["value"] * scores["weight"]).sum() / scores["weight"].sum())


def _key(run: Run, columns: set[str]) -> str:
    """Hash of what the figures depend on besides the system."""
    metrics = {name: one.settings() for name, one in run.metrics.items() if columns & set(one.columns)}
    return hash_json([trials_hash(run.trials), run.corpus.title, plain_json(run.config.vocoder), metrics])
