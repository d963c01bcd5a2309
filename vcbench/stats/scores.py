"""Intervals, comparisons and ranks of scores; `docs/statistics.md` describes them, and how well they cover."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from vcbench.stats.bootstrap import Bootstrap, resample_all
from vcbench.stats.clusters import Floats, clusters

DRAWS = 2000
LEVEL = 0.95
Pair = tuple[str, str]  # systems
TOGETHER = 256  # pairs of systems that are compared at once
COMPARED = ["first", "second", "difference", "low", "high", "p", "common", "detectable"]


@dataclass(frozen=True)
class Interval:
    """A weighted mean with its interval; `low` and `high` are NaN for a single value, which has none."""

    mean: float
    low: float
    high: float
    count: int


def weighted_mean_interval(
    values: ArrayLike,
    weights: ArrayLike | None = None,
    source_speakers: Sequence[str] | None = None,
    target_speakers: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    shared: bool = True,
) -> Interval:
    """The weighted mean of `values` and its bootstrap interval over speakers.

    Args:
        values: (n,), finite.
        weights: (n,), not negative; by default all 1.
        source_speakers, target_speakers: (n,) names; each empty name counts as a separate speaker.
        draws: bootstrap draws.
        level: nominal coverage.
        bounds: what the interval is cut at: the least and the greatest value that there can be.
        shared: whether a name in both is the same speaker; False for two kinds of things, e.g. listeners and items.

    Raises:
        ValueError: no values, an unusable value or weight, or lengths that differ.
    """
    speakers = source_speakers, target_speakers
    return weighted_mean_intervals([(values, weights)], *speakers, draws, seed, level, bounds, shared)[0]


def weighted_mean_intervals(
    terms: Sequence[tuple[ArrayLike, ArrayLike | None]],
    source_speakers: Sequence[str] | None = None,
    target_speakers: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    shared: bool = True,
) -> list[Interval]:
    """As `weighted_mean_interval`, of many values and weights (n,) with the same speakers, which is faster than one by one."""
    checked = [_checked(values, weights) for values, weights in terms]
    found = clusters(len(checked[0][0]), source_speakers, target_speakers, shared)
    intervals = []
    for (numbers, _), own in zip(checked, resample_all([[one] for one in checked], found, draws, seed), strict=True):
        least, greatest = min(bounds[0], numbers.min()), max(bounds[1], numbers.max())
        low, high = np.clip(own.limits(level), least, greatest)
        intervals.append(Interval(own.estimate, float(low), float(high), len(numbers)))
    return intervals


def compare_pairs(
    scores: pd.DataFrame,
    higher_is_better: bool | None,
    systems: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Every pair of systems, paired on the trials that both have.

    Args:
        scores: of one column: `system, trial, condition, value, weight, source_speaker, target_speaker`.
        higher_is_better: ``None`` if neither direction is better; then `better` is always empty.
        systems: those to compare, in this order; by default all of them.

    Returns:
        One row per pair: `first, second`; `difference` of the weighted means, first minus second, with `low` and
        `high`; `p` (two-sided, t test with the same errors as the interval); `p_holm` (Holm over the pairs); `better`, the
        name of the system that is better at ``p_holm <= 1 - level``, else ""; `common`, the number of common
        trials; `detectable`, the smallest difference that these trials would have shown with 80% power at Holm's
        strictest step. With fewer than two common trials, the figures are NaN.
    """
    names = list(dict.fromkeys(scores["system"])) if systems is None else list(systems)
    pairs = list(combinations(names, 2))
    alpha = (1 - level) / len(pairs) if pairs else np.nan
    found: dict[Pair, tuple[float, ...]] = {}
    for pair, bootstrap, common in _differences(_by_trial(scores), pairs, draws, seed):
        figures = bootstrap.estimate, *bootstrap.limits(level), bootstrap.p_value()
        found[pair] = (*figures, common, bootstrap.detectable(alpha))
    records = [(*pair, *found[pair]) for pair in pairs]
    table = pd.DataFrame(records, columns=COMPARED)
    table["p_holm"] = holm(table["p"].to_numpy(float))
    first_better = (table["difference"] > 0) == bool(higher_is_better)
    apart = (table["p_holm"] <= 1 - level) & (higher_is_better is not None)
    table["better"] = table["first"].where(first_better, table["second"]).where(apart, "")
    return table


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down correction (Holm 1979); NaN stays NaN and does not count as a test."""
    values = np.asarray(p, dtype=float)
    corrected = np.full(values.shape, np.nan)
    order = [index for index in np.argsort(values) if not np.isnan(values[index])]
    steps = (len(order) - np.arange(len(order))) * values[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if order else steps
    return corrected


def ranks(comparisons: pd.DataFrame, means: Mapping[str, float], higher_is_better: bool) -> dict[str, int]:
    """Ranks from 1, shared by systems that cannot be told apart.

    Systems are sorted by mean. A new rank begins only where every system above the line is better, after Holm's
    correction, than every system below it (the clusters of the WMT evaluations; Bojar et al. 2013, section 3.2), so two
    systems with different ranks always differ significantly.

    Args:
        comparisons: of `compare_pairs`.
        means: by system; systems that are not in it get no rank.
    """
    ordered = sorted(means, key=lambda name: means[name], reverse=higher_is_better)
    worse_than = {name: set[str]() for name in ordered}
    for row in comparisons[comparisons["better"] != ""].itertuples():
        worse_than.setdefault(row.better, set()).add(row.second if row.better == row.first else row.first)
    result: dict[str, int] = {}
    rank = 1
    for position, name in enumerate(ordered):
        above, below = ordered[:position], set(ordered[position:])
        if all(below <= worse_than[other] for other in above):
            rank = position + 1
        result[name] = rank
    return result


def _checked(values: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    numbers = np.asarray(values, dtype=float)
    masses = np.ones_like(numbers) if weights is None else np.asarray(weights, dtype=float)
    if numbers.ndim != 1 or numbers.shape != masses.shape or not len(numbers):
        raise ValueError(
            f"Need at least one value, and one weight for each; got shapes {numbers.shape} and {masses.shape}."
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"Some values are not finite numbers: {(~np.isfinite(numbers)).sum()} of {len(numbers)}.")
    if not np.isfinite(masses).all() or (masses < 0).any() or masses.sum() == 0:
        raise ValueError("Weights must be finite and not negative, and at least one must be above zero.")
    return numbers, masses


class _Trials(NamedTuple):
    """Scores of one column by system, in order of `systems`, and trial; `there` says which there are."""

    systems: dict[str, int]
    values: Floats
    weights: Floats
    there: NDArray[np.bool_]
    sources: list[str]
    targets: list[str]

    def common(self, pair: Pair) -> NDArray[np.intp]:
        """The trials that both have."""
        rows = [self.systems[name] for name in pair if name in self.systems]
        return np.flatnonzero(self.there[rows].all(axis=0)) if len(rows) == 2 else np.empty(0, np.intp)

    def terms(self, pair: Pair, common: NDArray[np.intp]) -> list[tuple[Floats, Floats]]:
        rows = [self.systems[name] for name in pair]
        return [_checked(self.values[row, common], self.weights[row, common]) for row in rows]


def _differences(
    trials: _Trials, pairs: Sequence[Pair], draws: int, seed: int
) -> Iterator[tuple[Pair, Bootstrap, int]]:
    """Each pair with the first system minus the second, and how many trials both have. Pairs with the same trials go together."""
    by_common: dict[bytes, list[Pair]] = {}
    for pair in pairs:
        by_common.setdefault(trials.common(pair).tobytes(), []).append(pair)
    for key, group in by_common.items():
        common = np.frombuffer(key, np.intp)
        if len(common) < 2:
            yield from ((pair, Bootstrap(np.nan, (), np.empty(0)), len(common)) for pair in group)
            continue
        sources, targets = ([names[trial] for trial in common] for names in (trials.sources, trials.targets))
        found = clusters(len(common), sources, targets)
        for begin in range(0, len(group), TOGETHER):
            part = group[begin : begin + TOGETHER]
            bootstraps = resample_all((trials.terms(pair, common) for pair in part), found, draws, seed)
            yield from ((pair, one, len(common)) for pair, one in zip(part, bootstraps, strict=True))


def _by_trial(scores: pd.DataFrame) -> _Trials:
    """
    Raises:
        ValueError: a system has a trial twice.
    """
    rows, systems = pd.factorize(scores["system"])
    trials = scores.groupby(["condition", "trial"], sort=False).ngroup().to_numpy()
    count = int(trials.max(initial=-1)) + 1
    cells = rows * count + trials
    if scores_twice := pd.Series(cells).duplicated().to_numpy().nonzero()[0].tolist():
        system, condition, trial = scores.iloc[scores_twice[0]][["system", "condition", "trial"]]
        raise ValueError(f"{system} has more than one score of trial {trial!r} ({condition}) in one column.")
    shape = len(systems), count
    values, weights, there = np.zeros(shape), np.zeros(shape), np.zeros(shape, bool)
    values.flat[cells], weights.flat[cells], there.flat[cells] = scores["value"], scores["weight"], True
    first = scores.iloc[np.unique(trials, return_index=True)[1]]
    speakers = first["source_speaker"].tolist(), first["target_speaker"].tolist()
    return _Trials({name: row for row, name in enumerate(systems)}, values, weights, there, *speakers)


NONE = math.nan


def t_interval(values: Sequence[float], exact: bool = False, level: float = LEVEL) -> Interval:
    """The mean of seeds with Student's interval; NaN limits for a single seed, unless the value is `exact`."""
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        limit = mean if exact else NONE
        return Interval(mean, limit, limit, 1)
    half = float(stdtrit(count - 1, (1 + level) / 2) * np.std(values, ddof=1) / math.sqrt(count))
    return Interval(mean, mean - half, mean + half, count)
