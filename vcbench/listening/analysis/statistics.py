"""The statistics of a listening test.

Ratings are not independent: a listener gives many, and a clip gets many. So intervals come from a bootstrap over listeners
and items (`vcbench.stats.bootstrap`; Camp et al. 2023, Rosenberg and Ramabhadran 2017), and tests compare listeners' means:
Friedman's test over all systems, then Wilcoxon's signed-rank test for pairs with Holm's correction. A preference counts
1 for the chosen clip, 0 for the other, and one half for each if there was none.
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
from vcbench.listening.analysis.medians import median_interval
from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.kinds import KINDS
from vcbench.stats.clusters import clusters
from vcbench.stats.scores import weighted_mean_interval

Level = Literal["nominal", "ordinal", "interval"]

LEVELS: dict[str, Level] = {
    "mos": "ordinal",
    "similarity-mos": "ordinal",
    "mushra": "interval",
    "preference": "nominal",
}

TWO_MODES = 5 / 9  # a coefficient above this, that of a uniform distribution, suggests two modes


@dataclass(frozen=True)
class Findings:
    """The results of one set of listeners.

    Attributes:
        listeners, items, ratings: counts.
        scores: from `describe`.
        pairs: from `compare`.
        friedman: ``None`` for fewer than three systems, fewer than two complete listeners, or a preference.
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
        systems: those to compare, along with the rows of the primary contrast.
        draws: of the bootstrap; by default those of the plan.
    """
    draws = draws or plan.bootstrap_samples
    rated = points(table, plan.test)
    compared = [row for row in rows if row in systems or row in plan.primary_contrast]
    means = listener_means(rated)
    return Findings(
        listeners=rated["listener"].nunique(),
        items=rated["item"].nunique(),
        ratings=len(rated) if plan.test != "preference" else rated.groupby(["listener", "page"]).ngroups,
        scores=describe(rated, rows, plan, draws),
        pairs=compare(rated, compared, plan, draws),
        friedman=None if plan.test == "preference" else friedman(means.reindex(columns=compared)),
        alpha=agreement(rated, plan.test),
    )


def points(table: pd.DataFrame, test: str) -> pd.DataFrame:
    """The ratings that count; "no preference" becomes one half."""
    rated = table[(table["purpose"] == "rated") & table["rating"].notna()]
    if test != "preference":
        return rated
    chosen = rated.groupby(["listener", "page"])["rating"].transform("sum")
    return rated.assign(rating=rated["rating"].where(chosen > 0, 0.5))


def listener_means(rated: pd.DataFrame) -> pd.DataFrame:
    """(listeners, systems): mean ratings, NaN if there are none."""
    return rated.pivot_table(index="listener", columns="system", values="rating", aggfunc="mean", sort=False)


def describe(rated: pd.DataFrame, rows: Sequence[str], plan: AnalysisPlan, draws: int) -> pd.DataFrame:
    """Summarise each row's ratings, over all conditions and in each.

    Returns:
        `condition, system, ratings`; `mean` and `median` with their intervals `low, high` and `median_low, median_high`;
        the quartiles `lower` and `upper`; `outliers`, the number of ratings more than 1.5 interquartile ranges beyond them;
        `bimodality` (see `TWO_MODES`; Pfister et al. 2013).
    """
    conditions = list(dict.fromkeys(rated["condition"]))
    records = []
    for condition in [ALL, *conditions] if len(conditions) > 1 else [ALL]:
        part = rated if condition == ALL else rated[rated["condition"] == condition]
        for row in rows:
            own = part[part["system"] == row]
            if len(own):
                records.append({"condition": condition, "system": row, **_describe(own, plan, draws)})
    return pd.DataFrame(records)


def _describe(own: pd.DataFrame, plan: AnalysisPlan, draws: int) -> dict[str, float]:
    values, level = own["rating"].to_numpy(float), 1 - plan.alpha
    names = own["listener"].tolist(), own["item"].tolist()
    scale = KINDS[plan.test].values
    mean = weighted_mean_interval(values, None, *names, draws, plan.seed, level, (scale[0], scale[-1]), shared=False)
    found = clusters(len(values), *names, shared=False)
    median_low, median_high = median_interval(values, found, draws, plan.seed, level)
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    reach = 1.5 * (upper - lower)
    return {
        "ratings": len(values), "mean": mean.mean, "low": mean.low, "high": mean.high, "median": float(median),
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


def side_bias(rated: pd.DataFrame, plan: AnalysisPlan, draws: int) -> dict[str, float]:
    """How often A was chosen when a choice was made: `share` with `low, high` over listeners, and `choices`."""
    decided = rated[(rated["position"] == 0) & (rated["rating"] != 0.5)]
    if decided.empty:
        return {"share": np.nan, "low": np.nan, "high": np.nan, "choices": 0}
    found = weighted_mean_interval(
        decided["rating"], None, decided["listener"].tolist(), None, draws, plan.seed, 1 - plan.alpha, (0, 1)
    )
    return {"share": found.mean, "low": found.low, "high": found.high, "choices": found.count}


def agreement(rated: pd.DataFrame, test: str) -> float:
    """Krippendorff's alpha of listeners over clips, by the test's level of measurement (`LEVELS`)."""
    if test == "preference":  # the second rating follows from the first
        rated = _first_clips(rated)
    units = rated.pivot_table(index="listener", columns="clip", values="rating", sort=False).to_numpy(float)
    shared = units[:, (~np.isnan(units)).sum(0) > 1] if units.size else units
    values = shared[~np.isnan(shared)]
    if not len(values) or np.ptp(values) == 0:
        return np.nan
    return float(krippendorff.alpha(shared, level_of_measurement=LEVELS[test]))


def _first_clips(rated: pd.DataFrame) -> pd.DataFrame:
    """One clip of each page, the same for all listeners."""
    return rated[rated["clip"] == rated.groupby("page")["clip"].transform("min")]
