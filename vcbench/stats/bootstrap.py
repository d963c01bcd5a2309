"""The bootstrap of weighted means of scores that share speakers.

Two trials with the same source speaker, or the same target speaker, are not independent, so what is resampled is
speakers, not trials. A draw takes source speakers and target speakers with replacement, each on its own, and a trial
counts as often as the product of its two speakers' multiplicities: the pigeonhole bootstrap (Owen 2007, "The
pigeonhole bootstrap", Annals of Applied Statistics 1).

Left alone, its percentiles are off in two known ways. The variance of what belongs to single trials is counted up to
three times (Owen 2007, theorem 3), so intervals are far too wide where speakers matter little. With few speakers they
are too narrow, as a variance over G clusters is too small by (G - 1) / G and has G - 1 degrees of freedom at best
(Field and Welsh 2007, "Bootstrapping clustered data", JRSS-B 69). The draws therefore keep their shape and get
another scale: deviations from the estimate are stretched so that

- their variance is that of two-way clustering: between source speakers, plus between target speakers, minus between
  the cells of both, each times G / (G - 1); where the subtraction leaves less than one of the first two, the larger of
  these (Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering", JBES 29);
- their quantiles are those of Student's t and not of a normal distribution (Hesterberg 2015, "What teachers should
  know about the bootstrap", American Statistician 69, the expanded percentile interval), with Satterthwaite's
  degrees of freedom of the two between-speaker variances.

Where one kind of speaker is nested in the other, or has one member, the other alone is resampled; where neither kind
has two, or none is known, the rows are.

Covers, in simulations of 12 x 12 speakers: 93 to 96% at a nominal 95% with speaker effects, 98% where speakers do
not matter at all; of 4 x 4 speakers, 95 to 96%.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
POWER = 0.8


@dataclass(frozen=True)
class Bootstrap:
    """An estimate, its standard error with degrees of freedom, and what the draws deviate from it."""

    estimate: float
    error: float
    freedom: float
    deviations: Floats

    def limits(self, level: float) -> tuple[float, float]:
        if np.isnan(self.error):
            return np.nan, np.nan
        spread = float(np.sqrt(np.mean(self.deviations**2))) if len(self.deviations) else 0.0
        if spread == 0 or self.error == 0:
            return self.estimate, self.estimate
        upper = (1 + level) / 2
        stretch = self.error / spread * stats.t.ppf(upper, self.freedom) / stats.norm.ppf(upper)
        low, high = self.estimate + stretch * np.quantile(self.deviations, [1 - upper, upper])
        return float(low), float(high)

    def p_value(self) -> float:
        """Two-sided, of the estimate being zero."""
        if np.isnan(self.error):
            return np.nan
        if self.error == 0:
            return 1.0 if self.estimate == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.estimate) / self.error, self.freedom))

    def detectable(self, alpha: float) -> float:
        """The difference that a two-sided test at `alpha` finds with probability POWER."""
        if np.isnan(self.error):
            return np.nan
        return float(self.error * (stats.t.ppf(1 - alpha / 2, self.freedom) + stats.t.ppf(POWER, self.freedom)))


def _codes(names: Sequence[str] | None, count: int) -> Codes:
    if names is None:
        return np.arange(count)
    if len(names) != count:
        raise ValueError(f"Need a speaker for each of {count} values; got {len(names)}.")
    known: dict[str | int, int] = {}
    return np.array([known.setdefault(name or index, len(known)) for index, name in enumerate(names)])


def clusters(count: int, sources: Sequence[str] | None, targets: Sequence[str] | None) -> tuple[Codes, Codes]:
    """Codes of the two kinds of cluster; a kind that is not resampled has the one code 0."""
    rows, columns = _codes(sources, count), _codes(targets, count)
    row_count, column_count = rows.max() + 1, columns.max() + 1
    if row_count == column_count == 1:
        return np.arange(count), np.zeros_like(columns)
    cells = len(np.unique(rows * column_count + columns))
    if row_count > 1 and cells == column_count:  # each target speaker has one source speaker
        return rows, np.zeros_like(columns)
    if column_count > 1 and cells == row_count:  # each source speaker has one target speaker
        return np.zeros_like(rows), columns
    return rows, columns


@lru_cache(maxsize=32)
def _multiplicities(draws: int, clusters: int, seed: int, kind: int) -> Floats:
    """(draws, clusters): how often each cluster is drawn."""
    generator = np.random.default_rng([seed, kind])
    return generator.multinomial(clusters, np.full(clusters, 1 / clusters), draws).astype(float)


def resample(terms: Sequence[tuple[Floats, Floats]], rows: Codes, columns: Codes, draws: int, seed: int) -> Bootstrap:
    """Bootstrap a weighted mean, or the first minus the second of two over the same rows.

    Args:
        terms: one or two pairs of values (n,) and weights (n,).
    """
    shape = (int(rows.max()) + 1, int(columns.max()) + 1)
    row_draws = _multiplicities(draws, shape[0], seed, 0)
    column_draws = _multiplicities(draws, shape[1], seed, 1)
    estimate, influence, drawn = 0.0, np.zeros(shape), np.zeros(draws)
    for sign, (values, weights) in zip((1, -1), terms, strict=False):
        sums, masses = np.zeros(shape), np.zeros(shape)
        np.add.at(sums, (rows, columns), values * weights)
        np.add.at(masses, (rows, columns), weights)
        mean = sums.sum() / masses.sum()
        estimate += sign * mean
        influence += sign * (sums - mean * masses) / masses.sum()
        with np.errstate(invalid="ignore"):  # a draw that meets no trial is 0 / 0, and is left out below
            drawn += sign * ((row_draws @ sums) * column_draws).sum(1) / ((row_draws @ masses) * column_draws).sum(1)
    error, freedom = _clustered_error(influence, len(np.unique(rows * shape[1] + columns)))
    deviations = drawn[np.isfinite(drawn)] - estimate
    return Bootstrap(float(estimate), error, freedom, deviations)


def _clustered_error(influence: Floats, cells: int) -> tuple[float, float]:
    """Standard error and degrees of freedom from the cells' influence on the estimate (sources, targets)."""

    def variance(parts: Floats, count: int) -> float:
        return float((parts**2).sum() * count / (count - 1)) if count > 1 else 0.0

    by_source = variance(influence.sum(1), influence.shape[0])
    by_target = variance(influence.sum(0), influence.shape[1])
    degrees = [count - 1 for count in influence.shape if count > 1]
    if not degrees:
        return np.nan, np.nan
    if len(degrees) == 1:
        return float(np.sqrt(by_source + by_target)), float(degrees[0])
    total = max(by_source + by_target - variance(influence, cells), by_source, by_target)
    spread = by_source**2 / degrees[0] + by_target**2 / degrees[1]
    freedom = max(total**2 / spread, min(degrees)) if spread > 0 else min(degrees)
    return float(np.sqrt(total)), float(freedom)
