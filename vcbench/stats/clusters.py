"""Which trials are dependent: those that share a speaker.

A speaker who is the source of one trial and the target of another is one speaker, so both roles draw on one set of names.
Two kinds of things that are never the same, such as listeners and items, have a set each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.intp]
Floats = NDArray[np.float64]
FEWEST = 6  # speakers from which an interval means something: docs/statistics.md


@dataclass(frozen=True, eq=False)
class Clusters:
    """Rows grouped by their pair of speakers.

    Attributes:
        pairs: (n,) the pair of each row; the direction does not count.
        first, second: (pairs,) the speakers of each pair; `second` is `speakers` where there is only one.
        speakers: how many there are.
    """

    pairs: Codes
    first: Codes
    second: Codes
    speakers: int

    def by_pair(self, values: Floats) -> Floats:
        """(pairs,) the sum of each pair's rows."""
        return np.bincount(self.pairs, values, len(self.first)).astype(float)

    def by_speaker(self, values: Floats) -> Floats:
        """(speakers,) the sum of each speaker's pairs, from (pairs,)."""
        size = self.speakers + 1
        return (np.bincount(self.first, values, size) + np.bincount(self.second, values, size)).astype(float)[:-1]

    @property
    def crossed(self) -> bool:
        """Whether some rows have two speakers."""
        return bool((self.second < self.speakers).any())


def clusters(
    count: int, sources: Sequence[str] | None = None, targets: Sequence[str] | None = None, shared: bool = True
) -> Clusters:
    """The clusters of `count` rows.

    Args:
        sources, targets: (count,) names; each empty name is a speaker of its own.
        shared: whether a name in both is the same speaker.

    A speaker who is in every row is left out: the result holds for this speaker. So is the role that is nested in the
    other, if no speaker has both: its clusters lie within the other's. Rows without a speaker are clusters of their own.

    Raises:
        ValueError: not one name for each row.
    """
    for names in (sources, targets):
        if names is not None and len(names) != count:
            raise ValueError(f"Need a speaker for each value: {count}; got {len(names)}.")
    return _clusters(count, *(None if names is None else tuple(names) for names in (sources, targets)), shared)


@lru_cache(maxsize=64)
def _clusters(count: int, sources: tuple[str, ...] | None, targets: tuple[str, ...] | None, shared: bool) -> Clusters:
    given = [(0 if shared else role, names) for role, names in enumerate((sources, targets)) if names is not None]
    keys = {(role, name) for role, names in given for name in names if name}
    known = {key: code for code, key in enumerate(sorted(keys, key=str))}  # sorted: the order of rows does not matter
    fresh = len(known) + np.arange(3 * count).reshape(3, count)
    roles = [
        np.array([known[role, name] if name else alone[row] for row, name in enumerate(names)], dtype=np.intp)
        for (role, names), alone in zip(given, fresh, strict=False)
    ]
    if len(roles) == 2 and not np.isin(roles[0], roles[1]).any():
        roles = _without_nested(*roles)
    first, second = (roles[0], roles[-1]) if roles else (fresh[0], fresh[0])
    rows = np.bincount(first, minlength=fresh.max() + 1) + np.bincount(
        second[second != first], minlength=fresh.max() + 1
    )
    everywhere = rows == count
    first = np.where(everywhere[first], second, first)
    first = np.where(everywhere[first], fresh[2], first)
    return _numbered(first, np.where(everywhere[second], first, second))


def _without_nested(rows: Codes, columns: Codes) -> list[Codes]:
    row_count, column_count = len(np.unique(rows)), len(np.unique(columns))
    cells = len(np.unique(np.stack([rows, columns]), axis=1).T)
    if row_count > 1 and cells == column_count:  # each target speaker has one source speaker
        return [rows]
    if column_count > 1 and cells == row_count:  # each source speaker has one target speaker
        return [columns]
    return [rows, columns]


def _numbered(first: Codes, second: Codes) -> Clusters:
    """Clusters of rows with these two codes, which may be equal."""
    speakers, codes = np.unique(np.sort(np.stack([first, second]), axis=0), return_inverse=True)
    both, pairs = np.unique(codes.reshape(2, -1), axis=1, return_inverse=True)
    second = np.where(both[0] == both[1], len(speakers), both[1])
    return Clusters(pairs.reshape(-1), both[0], second, len(speakers))


def fewest(sources: Sequence[str], targets: Sequence[str]) -> int | None:
    """The number of source speakers or of target speakers, whichever is smaller; ``None`` where no speaker is known."""
    counts = [len({name for name in names if name}) for names in (sources, targets)]
    return min((count for count in counts if count), default=None)
