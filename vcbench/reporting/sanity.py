"""Sanity checks for every run: systems whose scores are known in advance, and the order that similarities must have."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from vcbench.api.scores import ALL
from vcbench.reporting.leaderboard import Leaderboard

SIMILARITY = "similarity_"  # prefix of the columns whose order is known
FLOOR, CEILINGS = "source", ("oracle", "target")  # reference rows, from lowest to highest


def broken_order(board: Leaderboard) -> Iterator[str]:
    """A sentence for each violation of ``source < system < oracle < target`` in a similarity to the target."""
    pooled = board.cells[board.cells["condition"] == ALL]
    for column in [name for name, about in board.columns.items() if name.startswith(SIMILARITY) and about.main]:
        means = dict(pooled.loc[pooled["column"] == column, ["system", "mean"]].itertuples(index=False))
        title = board.columns[column].title
        ladder = [name for name in (FLOOR, *CEILINGS) if name in means]
        for lower, upper in pairwise(ladder):
            if means[lower] >= means[upper]:
                yield f"{title}: the row {lower} is not below {upper}; check the corpus and the vocoder."
        for system in board.systems:
            if FLOOR in means and means.get(system, 2) <= means[FLOOR]:
                yield f"{title}: {system} is not above the unconverted source; it does not convert."
            tops = [means[name] for name in CEILINGS if name in means]
            if tops and means.get(system, -2) >= min(tops):
                yield f"{title}: {system} is not below real recordings of the target; check whether it copies the target."
