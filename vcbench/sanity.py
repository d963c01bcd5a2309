"""What every run can be checked by: systems whose scores are known beforehand, and the order that similarities must have."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

from torch import Tensor

from vcbench.corpora.corpus import Speaker, Utterance
from vcbench.leaderboard import ALL, Leaderboard

SIMILARITY = "similarity_"  # begin of the columns whose order is known
FLOOR, CEILINGS = "source", ("oracle", "target")  # reference rows, from below to above


class CopySource:
    """Gives the source unchanged: must score as the reference row `source`."""

    produces: Literal["mel", "wave"] = "wave"

    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return source.wave


class CopyTarget:
    """Gives the target's own recording: must score in similarity as the reference row `target`."""

    produces: Literal["mel", "wave"] = "wave"

    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return target.utterances[0].wave


def broken_order(board: Leaderboard) -> Iterator[str]:
    """A sentence for each system that breaks ``source < system < oracle < target`` in a similarity to the target."""
    pooled = board.cells[board.cells["condition"] == ALL]
    for column in [name for name, about in board.columns.items() if name.startswith(SIMILARITY) and about.main]:
        means = dict(pooled.loc[pooled["column"] == column, ["system", "mean"]].itertuples(index=False))
        title = board.columns[column].title
        ladder = [name for name in (FLOOR, *CEILINGS) if name in means]
        for lower, upper in pairwise(ladder):
            if means[lower] >= means[upper]:
                yield f"{title}: the row {lower} is not below {upper}; look for a mistake in corpus or vocoder."
        for system in board.systems:
            if FLOOR in means and means.get(system, 2) <= means[FLOOR]:
                yield f"{title}: {system} is not above the unconverted source; it does not convert."
            tops = [means[name] for name in CEILINGS if name in means]
            if tops and means.get(system, -2) >= min(tops):
                yield f"{title}: {system} is not below real recordings of the target; see what it copies."
