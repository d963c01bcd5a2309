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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from vcbench.stats.clusters import Clusters, Codes, Floats
from vcbench.stats.dyadic_variance import Error, errors

POWER = 0.8
MANY = 8  # squares from which `_forms` is faster than one after the other
BLOCK = 2**22  # numbers that it has in memory of the squares
PRODUCTS = 2**25  # and of the products, half of which are there: 2000 draws of 128 speakers, 128 MiB
Terms = Sequence[tuple[Floats, Floats]]  # one or two pairs of values (n,) and weights (n,)
Places = tuple[Codes, Codes]


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


def resample(terms: Terms, clusters: Clusters, draws: int, seed: int) -> Bootstrap:
    """Bootstrap a weighted mean, or the first minus the second of two over the same rows.

    Args:
        terms: one or two pairs of values (n,) and weights (n,).
    """
    return resample_all([terms], clusters, draws, seed)[0]


def resample_all(comparisons: Iterable[Terms], clusters: Clusters, draws: int, seed: int) -> list[Bootstrap]:
    """As `resample`, of many over the same rows."""
    summed = [_summed(terms, clusters) for terms in comparisons]
    places = [_places(one.influence, one.shares, clusters) for one in summed]
    grids = [
        (values, place)
        for one, place in zip(summed, places, strict=True)
        for _, sums, masses in one.parts
        for values in (sums, masses)
    ]
    drawn = iter(_drawn(grids, Draws(draws, clusters.speakers, seed)))
    found = []
    for one in summed:
        total = np.zeros(draws)
        for sign, _, _ in one.parts:
            with np.errstate(invalid="ignore"):  # a draw that meets no trial is 0 / 0, and is left out below
                total += sign * next(drawn) / next(drawn)
        deviations = total[np.isfinite(total)] - one.estimate
        found.append(Bootstrap(one.estimate, errors(one.influence, one.shares, clusters), deviations))
    return found


class Draws(NamedTuple):
    """What `multiplicities` takes."""

    draws: int
    speakers: int
    seed: int


class _Summed(NamedTuple):
    """A weighted mean, or a difference of two.

    Attributes:
        influence, shares: (pairs,) of speakers.
        parts: its means, each with its sign, and the sums of values and of weights by pair of speakers (pairs,).
    """

    estimate: float
    influence: Floats
    shares: Floats
    parts: list[tuple[int, Floats, Floats]]


def _summed(terms: Terms, clusters: Clusters) -> _Summed:
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
    return _Summed(float(estimate), influence, shares, parts)


def _places(influence: Floats, shares: Floats, clusters: Clusters) -> Places:
    """The pairs' speakers in an order that depends neither on names nor on the order of rows or systems."""
    sums, squares = np.abs(clusters.by_speaker(influence)), clusters.by_speaker(influence**2)
    keys = [clusters.by_speaker(shares), squares, sums]
    order = np.lexsort([np.round(key / (key.max() or 1.0), 9) for key in keys])
    rank = np.append(np.argsort(order), clusters.speakers)
    return rank[clusters.first], rank[clusters.second]


def _drawn(grids: Sequence[tuple[Floats, Places]], drawn: Draws) -> Iterator[Floats]:
    """(draws,) for each grid: the sum of the pairs' values, each times its speakers' multiplicities."""
    counts, none = multiplicities(*drawn), drawn.speakers
    if all((second == none).all() for _, (_, second) in grids):
        yield from (counts @ np.bincount(first, values, none + 1) for values, (first, _) in grids)
        return
    together = max(BLOCK // (none + 1) ** 2, 1)
    for begin in range(0, len(grids), together):
        squares = [_square(values, places, none + 1) for values, places in grids[begin : begin + together]]
        if len(squares) >= MANY:
            yield from _forms(np.stack(squares), drawn).T
        else:
            yield from (np.einsum("ds,ds->d", counts @ square, counts) for square in squares)


def _square(values: Floats, places: Places, size: int) -> Floats:
    """(size, size) values by their two speakers, above the diagonal and on it."""
    low, high = np.minimum(*places), np.maximum(*places)
    return np.bincount(low * size + high, values, size * size).astype(float).reshape(size, size)


def _forms(squares: Floats, drawn: Draws) -> Floats:
    """(draws, n) the quadratic forms of each draw's counts with each square (n, size, size), which has nothing below its diagonal.

    As one product of matrices: products of two counts, times the squares' values. Half as much as n products `counts @ square`.
    """
    size = squares.shape[1]
    total = np.zeros((drawn.draws, len(squares)))
    rows_at_once = max(PRODUCTS // (drawn.draws * size), 1)
    for begin in range(0, size, rows_at_once):
        rows = range(begin, min(begin + rows_at_once, size))
        values = np.concatenate([squares[:, row, row:] for row in rows], axis=1)
        total += _products(drawn, rows) @ values.T
    return total


@lru_cache(maxsize=1)
def _products(drawn: Draws, rows: range) -> Floats:
    """(draws, ...) the counts of these speakers times their own and those of the speakers after them.

    What the first column of a table needs serves the others, unless there are too many speakers for one part.
    """
    counts = multiplicities(*drawn)
    return np.concatenate([counts[:, row, None] * counts[:, row:] for row in rows], axis=1)
