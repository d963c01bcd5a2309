"""The bootstrap of weighted means of scores that share speakers.

Two trials with a speaker in common are not independent, so what is resampled is speakers, not trials. A draw takes speakers
with replacement, one draw for both roles, and a trial counts as often as the product of its two speakers' multiplicities
(the node bootstrap: Snijders and Borgatti 1999; Davezies, D'Haultfoeuille and Guyonvarch 2021; where no speaker has both
roles, the pigeonhole bootstrap: Owen 2007).

Its spread is too small with few speakers, and too large where speakers matter little. So the draws give only the shape of
the interval: how its width is divided between the two sides of the estimate. The width is that of Student's t with the
errors of `vcbench.stats.dyadic_variance`, and so are the tests. `docs/statistics.md` has the coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtr, stdtrit

from vcbench.stats.clusters import Clusters, Codes, Floats
from vcbench.stats.dyadic_variance import Error, errors

POWER = 0.8


@dataclass(frozen=True)
class Bootstrap:
    """An estimate, its standard errors, and what the draws deviate from it.

    Attributes:
        errors: the one that gives the wider interval, or the larger p-value, counts; without any, all figures are NaN.
    """

    estimate: float
    errors: tuple[Error, ...]
    deviations: Floats

    def limits(self, level: float) -> tuple[float, float]:
        """The interval, divided as the draws' quantiles are."""
        if not self.errors:
            return np.nan, np.nan
        upper = (1 + level) / 2
        half = max(error.size * stdtrit(error.freedom, upper) for error in self.errors)
        below, above = np.quantile(self.deviations, [1 - upper, upper]) if len(self.deviations) else (0.0, 0.0)
        below, above = max(-below, 0.0), max(above, 0.0)
        if below + above == 0:
            below = above = 1.0
        stretch = 2 * half / (below + above)
        return float(self.estimate - stretch * below), float(self.estimate + stretch * above)

    def p_value(self) -> float:
        """Two-sided, of the estimate being zero."""
        if not self.errors:
            return np.nan
        if all(error.size == 0 for error in self.errors):
            return 1.0 if self.estimate == 0 else 0.0
        found = [2 * stdtr(error.freedom, -abs(self.estimate) / error.size) for error in self.errors if error.size]
        return float(max(found))

    def detectable(self, alpha: float) -> float:
        """The difference that a two-sided test at `alpha` finds with probability POWER."""
        quantiles = [
            error.size * (stdtrit(error.freedom, 1 - alpha / 2) + stdtrit(error.freedom, POWER))
            for error in self.errors
        ]
        return float(max(quantiles, default=np.nan))


@lru_cache(maxsize=8)
def multiplicities(draws: int, speakers: int, seed: int) -> Floats:
    """(draws, speakers + 1): how often each speaker is drawn; 1 in the last column, which stands for no speaker."""
    drawn = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), draws).astype(float)
    return np.append(drawn, np.ones((draws, 1)), axis=1)


def resample(terms: Sequence[tuple[Floats, Floats]], clusters: Clusters, draws: int, seed: int) -> Bootstrap:
    """Bootstrap a weighted mean, or the first minus the second of two over the same rows.

    Args:
        terms: one or two pairs of values (n,) and weights (n,).
    """
    size = len(clusters.first)
    estimate, influence, shares, parts = 0.0, np.zeros(size), np.zeros(size), []
    for sign, (values, weights) in zip((1, -1), terms, strict=False):
        sums, masses = clusters.by_pair(values * weights), clusters.by_pair(weights)
        mean = sums.sum() / masses.sum()
        estimate += sign * mean
        influence += sign * (sums - mean * masses) / masses.sum()
        shares += masses / masses.sum() / len(terms)
        parts.append((sign, sums, masses))
    if len(parts) == 2 and np.array_equal(parts[0][2], parts[1][2]):  # the difference of means is a mean of differences
        parts = [(1, parts[0][1] - parts[1][1], parts[0][2])]
    places = _places(influence, shares, clusters)
    counts = multiplicities(draws, clusters.speakers, seed)
    drawn = np.zeros(draws)
    for sign, sums, masses in parts:
        with np.errstate(invalid="ignore"):  # a draw that meets no trial is 0 / 0, and is left out below
            drawn += sign * _drawn(sums, counts, places) / _drawn(masses, counts, places)
    deviations = drawn[np.isfinite(drawn)] - estimate
    return Bootstrap(float(estimate), errors(influence, shares, clusters), deviations)


def _places(influence: Floats, shares: Floats, clusters: Clusters) -> tuple[Codes, Codes]:
    """The pairs' speakers in an order that depends neither on names nor on the order of rows or systems."""
    sums, squares = np.abs(clusters.by_speaker(influence)), clusters.by_speaker(influence**2)
    keys = [clusters.by_speaker(shares), squares, sums]
    order = np.lexsort([np.round(key / (key.max() or 1.0), 9) for key in keys])
    rank = np.append(np.argsort(order), clusters.speakers)
    return rank[clusters.first], rank[clusters.second]


def _drawn(values: Floats, counts: Floats, places: tuple[Codes, Codes]) -> Floats:
    """(draws,) the sum of the pairs' values, each times its speakers' multiplicities."""
    first, second = places
    none = counts.shape[1] - 1
    if (second == none).all():
        return counts @ np.bincount(first, values, none + 1)
    grid = np.zeros((none + 1, none + 1))
    np.add.at(grid, (first, second), values)
    total: Floats = np.einsum("ds,ds->d", counts @ grid, counts)
    return total
