"""The statistics of a listening test.

Ratings are not independent: a listener gives many, and a clip gets many. So intervals come from a bootstrap over listeners
and items (`vcbench.stats.bootstrap`; Camp et al. 2023, Rosenberg and Ramabhadran 2017), and tests compare listeners' means:
Friedman's test over all systems, then Wilcoxon's signed-rank test for pairs with Holm's correction. A choice counts 1 for
the chosen clip, 0 for the other, and one half for each if there was none; where it is right or wrong, 1 or 0 for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import krippendorff
import numpy as np
import pandas as pd
from scipy import stats

from vcbench.api.scores import ALL
from vcbench.listening.analysis.comparisons import Friedman, compare, friedman
from vcbench.listening.analysis.crossed import Grid, Group
from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.kinds import KINDS, Answer
from vcbench.stats.scores import weighted_mean_interval

Level = Literal["nominal", "ordinal", "interval"]

LEVELS: dict[Answer, Level] = {
    "category": "ordinal",
    "comparison": "ordinal",
    "best-worst": "ordinal",
    "choice": "nominal",
    "sliders": "interval",
}

TWO_MODES = 5 / 9  # a coefficient above this, that of a uniform distribution, suggests two modes


@dataclass(frozen=True)
class Findings:
    """The results of one set of listeners.

    Attributes:
        listeners, items, ratings: counts; two clips that are compared are one rating.
        scores: from `describe`.
        pairs: from `compare`.
        friedman: ``None`` for fewer than three systems, fewer than two complete listeners, or pages with two clips.
        alpha: Krippendorff's; NaN if no clip has two ratings, or all ratings are equal.
    """

    listeners: int
    items: int
    ratings: int
    scores: pd.DataFrame
    pairs: pd.DataFrame
    friedman: Friedman | None
    alpha: float


def analyse(
    table: pd.DataFrame, plan: AnalysisPlan, rows: Sequence[str], systems: Sequence[str], draws: int | None = None
) -> Findings:
    """Describe and compare the rows.

    Args:
        table: of `vcbench.listening.answers.reading.Reading`, for the listeners that count.
        rows: everything rated, in table order.
        systems: those to compare, along with the rows of the primary contrasts.
        draws: of the bootstrap; by default those of the plan.
    """
    rated = points(table, plan.test)
    compared = [row for row in rows if row in systems or row in plan.primary_contrast]
    grid = Grid(rated["listener"].tolist(), rated["item"].tolist(), draws or plan.bootstrap_samples, plan.seed)
    groups = groups_of(rated, np.arange(len(rated)), rows, grid)
    pairs = KINDS[plan.test].pairs
    return Findings(
        listeners=rated["listener"].nunique(),
        items=rated["item"].nunique(),
        ratings=rated.groupby(["listener", "page"]).ngroups if pairs else len(rated),
        scores=describe(rated, rows, plan, grid, groups),
        pairs=compare(rated, compared, plan, grid, groups),
        friedman=None if pairs else friedman(listener_means(rated).reindex(columns=compared)),
        alpha=agreement(rated, plan.test),
    )


def points(table: pd.DataFrame, test: str) -> pd.DataFrame:
    """The ratings that count; "no preference" becomes one half, and an answer about X becomes right or wrong."""
    rated = table[(table["purpose"] == "rated") & table["rating"].notna()]
    if KINDS[test].answer != "choice":
        return rated
    if KINDS[test].discriminates:
        hits = (rated["rating"] * rated["right"].astype(float)).groupby([rated["listener"], rated["page"]])
        return rated.assign(rating=hits.transform("sum"))
    chosen = rated.groupby(["listener", "page"])["rating"].transform("sum")
    return rated.assign(rating=rated["rating"].where(chosen > 0, 0.5))


def listener_means(rated: pd.DataFrame) -> pd.DataFrame:
    """(listeners, systems): mean ratings, NaN if there are none."""
    return rated.pivot_table(index="listener", columns="system", values="rating", aggfunc="mean", sort=False)


def groups_of(rated: pd.DataFrame, chosen: np.ndarray, rows: Sequence[str], grid: Grid) -> dict[str, Group]:
    """Each row's ratings among those at the places `chosen`."""
    system, ratings = rated["system"].to_numpy()[chosen], rated["rating"].to_numpy(float)
    places = {row: chosen[system == row] for row in rows}
    return {row: grid.group(own, ratings[own]) for row, own in places.items() if len(own)}


def describe(
    rated: pd.DataFrame, rows: Sequence[str], plan: AnalysisPlan, grid: Grid, groups: dict[str, Group]
) -> pd.DataFrame:
    """Summarise each row's ratings, over all conditions and in each.

    Args:
        groups: each row's ratings.

    Returns:
        `condition, system, ratings`; `mean` and `median` with their intervals `low, high` and `median_low, median_high`;
        the quartiles `lower` and `upper`; `outliers`, the number of ratings more than 1.5 interquartile ranges beyond them;
        `bimodality` (see `TWO_MODES`; Pfister et al. 2013).
    """
    conditions = dict.fromkeys(rated["condition"])
    records = []
    for condition in [ALL, *conditions] if len(conditions) > 1 else [ALL]:
        part = rated if condition == ALL else rated[rated["condition"] == condition]
        if condition != ALL:
            groups = groups_of(rated, np.flatnonzero(rated["condition"] == condition), rows, grid)
        ratings = {str(row): own.to_numpy(float) for row, own in part.groupby("system")["rating"]}
        for row, group in groups.items():
            records.append({"condition": condition, "system": row, **_describe(ratings[row], group, plan)})
    return pd.DataFrame(records)


def _describe(values: np.ndarray, group: Group, plan: AnalysisPlan) -> dict[str, float]:
    scale, level = KINDS[plan.test].values, 1 - plan.alpha
    low, high = np.clip(group.mean().limits(level), scale[0], scale[-1])
    median_low, median_high = group.median(level)
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    reach = 1.5 * (upper - lower)
    return {
        "ratings": len(values), "mean": group.estimate, "low": float(low), "high": float(high), "median": float(median),
        "median_low": median_low, "median_high": median_high, "lower": float(lower), "upper": float(upper),
        "outliers": int(((values < lower - reach) | (values > upper + reach)).sum()), "bimodality": bimodality(values),
    }  # fmt: skip


def bimodality(values: np.ndarray) -> float:
    """The bimodality coefficient of a sample (n,): (skewness² + 1) / kurtosis, both unbiased; NaN for fewer than 4 values."""
    count = len(values)
    if count < 4 or np.ptp(values) == 0:
        return np.nan
    skewness, excess = stats.skew(values, bias=False), stats.kurtosis(values, bias=False)
    return float((skewness**2 + 1) / (excess + 3 * (count - 1) ** 2 / ((count - 2) * (count - 3))))


def side_bias(table: pd.DataFrame, plan: AnalysisPlan, draws: int) -> dict[str, float]:
    """How often A was chosen, or rated better, when there was a choice: `share` with `low, high` over listeners, and `choices`.

    Args:
        table: as for `analyse`.
    """
    rated = table[(table["purpose"] == "rated") & table["rating"].notna()]
    chosen = rated["rating"].abs().groupby([rated["listener"], rated["page"]]).transform("sum")
    decided = rated[(rated["position"] == 0) & (chosen > 0)]
    if decided.empty:
        return {"share": np.nan, "low": np.nan, "high": np.nan, "choices": 0}
    share, listeners = (decided["rating"] > 0).astype(float), decided["listener"].tolist()
    found = weighted_mean_interval(share, None, listeners, None, draws, plan.seed, 1 - plan.alpha, (0, 1))
    return {"share": found.mean, "low": found.low, "high": found.high, "choices": found.count}


def agreement(rated: pd.DataFrame, test: str) -> float:
    """Krippendorff's alpha of listeners over clips, by the test's level of measurement (`LEVELS`)."""
    if KINDS[test].pairs:  # the second rating follows from the first
        rated = _first_clips(rated)
    units = rated.pivot_table(index="listener", columns="clip", values="rating", sort=False).to_numpy(float)
    shared = units[:, (~np.isnan(units)).sum(0) > 1] if units.size else units
    values = shared[~np.isnan(shared)]
    if not len(values) or np.ptp(values) == 0:
        return np.nan
    return float(krippendorff.alpha(shared, level_of_measurement=LEVELS[KINDS[test].answer]))


def _first_clips(rated: pd.DataFrame) -> pd.DataFrame:
    """One clip of each page, the same for all listeners."""
    return rated[rated["clip"] == rated.groupby("page")["clip"].transform("min")]
