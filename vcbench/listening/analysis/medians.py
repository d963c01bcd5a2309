"""Bootstrap intervals of medians over listeners and items."""

from __future__ import annotations

import numpy as np

from vcbench.stats.bootstrap import Codes, Floats

CHUNK = 500  # draws per step


def median_interval(
    values: Floats, rows: Codes, columns: Codes, draws: int, seed: int, level: float
) -> tuple[float, float]:
    """The percentile interval of the median; rows and columns are drawn with replacement, independently.

    Args:
        values: (n,).
        rows, columns: (n,) codes of `vcbench.stats.bootstrap.clusters`.

    The median of discrete ratings moves in steps, so this interval is not stretched as that of a mean is.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(values)
    ordered, rows, columns = values[order], rows[order], columns[order]
    medians = []
    for start in range(0, draws, CHUNK):
        count = min(CHUNK, draws - start)
        weights = _multiplicities(generator, count, rows) * _multiplicities(generator, count, columns)
        below = weights.cumsum(1)
        half = below[:, -1:] / 2
        lower, upper = (ordered[side.argmax(1)] for side in (below >= half, below > half))
        medians.append(((lower + upper) / 2)[half[:, 0] > 0])  # a draw may contain no rating
    low, high = np.quantile(np.concatenate(medians), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _multiplicities(generator: np.random.Generator, draws: int, codes: Codes) -> Floats:
    """(draws, n): how often the cluster of each value is drawn; all 1 if there is only one cluster."""
    count = int(codes.max()) + 1
    return generator.multinomial(count, np.full(count, 1 / count), draws)[:, codes].astype(float)
