"""A warning below tables whose intervals rest on few speakers."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from vcbench.api.scores import ALL
from vcbench.stats.clusters import FEWEST, fewest


def few_speakers(scores: pd.DataFrame, columns: Collection[str]) -> list[str]:
    """A sentence that names the conditions with fewer than `FEWEST` source or target speakers, or nothing.

    Args:
        scores: a row per score: `column, condition, source_speaker, target_speaker`.
        columns: those that have intervals.
    """
    fields = ["column", "condition", "source_speaker", "target_speaker"]
    known = scores.loc[scores["column"].isin(columns), fields].drop_duplicates()
    pooled = known.assign(condition=ALL)
    found: dict[str, int] = {}
    for (condition, _), part in pd.concat([pooled, known]).groupby(["condition", "column"], sort=False):
        count = fewest(part["source_speaker"].tolist(), part["target_speaker"].tolist())
        if count is not None and count < FEWEST:
            found[condition] = min(count, found.get(condition, FEWEST))
    if not found:
        return []
    named = ", ".join(f"{'all conditions' if name == ALL else name} ({count})" for name, count in found.items())
    return [
        f"Warning: few speakers in {named}. With fewer than {FEWEST} source or target speakers, an interval or a test says "
        "little: see docs/statistics.md."
    ]
