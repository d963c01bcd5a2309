"""Bootstrap intervals of medians over listeners and items."""

from __future__ import annotations

import numpy as np

from vcbench.stats.bootstrap import multiplicities
from vcbench.stats.clusters import Clusters, Floats

CHUNK = 500  # draws per step


def median_interval(values: Floats, clusters: Clusters, draws: int, seed: int, level: float) -> tuple[float, float]:
    """The percentile interval of the median over draws of `clusters`, as for a mean.

    Args:
        values: (n,).

    The median of discrete ratings moves in steps, so this interval is not stretched as that of a mean is.
    """
    order = np.argsort(values, kind="stable")
    ordered, pairs = values[order], clusters.pairs[order]
    first, second = clusters.first[pairs], clusters.second[pairs]
    counts = multiplicities(draws, clusters.speakers, seed)
    medians = []
    for start in range(0, draws, CHUNK):
        part = counts[start : start + CHUNK]
        weights = part[:, first] * part[:, second]
        below = weights.cumsum(1)
        half = below[:, -1:] / 2
        lower, upper = (ordered[side.argmax(1)] for side in (below >= half, below > half))
        medians.append(((lower + upper) / 2)[half[:, 0] > 0])  # a draw may contain no rating
    low, high = np.quantile(np.concatenate(medians), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
