"""Sets of systems for best-worst scaling: each system in equally many sets, each pair in about equally many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations, islice

MOST = 20_000  # differences that are tried


def sets(rows: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """As many sets of `size` as there are rows, by turning one set around (a cyclic design); one set if they all fit.

    The set is chosen so that the least frequent pair of systems meets as often as possible, then the most frequent one as
    rarely as possible.
    """
    count = len(rows)
    if count <= size:
        return [tuple(rows)]
    candidates = islice(combinations(range(1, count), size - 1), MOST)
    steps = max(((0, *chosen) for chosen in candidates), key=lambda chosen: _evenness(chosen, count))
    return [tuple(rows[(start + step) % count] for step in steps) for start in range(count)]


def _evenness(steps: Sequence[int], count: int) -> tuple[int, int, int]:
    """How many distances occur, how often the rarest does, and minus how often the most frequent does."""
    met = Counter(min(abs(a - b), count - abs(a - b)) for a, b in combinations(steps, 2))
    if count % 2 == 0 and count // 2 in met:
        met[count // 2] *= 2  # both turns of this pair meet
    return len(met), min(met.values()), -max(met.values())
