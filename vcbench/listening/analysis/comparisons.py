"""Tests on listeners' means: whether systems differ, and which pairs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.kinds import KINDS
from vcbench.stats.bootstrap import Bootstrap, resample
from vcbench.stats.clusters import clusters
from vcbench.stats.scores import holm, weighted_mean_interval


@dataclass(frozen=True)
class Friedman:
    """Friedman's test over the listeners with a mean for every system; `agreement` is Kendall's W."""

    statistic: float
    freedom: int
    p: float
    listeners: int
    agreement: float


def friedman(means: pd.DataFrame) -> Friedman | None:
    """Friedman's test on listeners' means (listeners, systems); ``None`` for too few of either."""
    complete = means.dropna().round(9)  # rounded so that rounding errors do not break ties
    listeners, systems = complete.shape
    if listeners < 2 or systems < 3:
        return None
    with np.errstate(invalid="ignore"):
        statistic, p = stats.friedmanchisquare(*complete.to_numpy().T)
    if np.isnan(statistic):  # every listener rates all systems the same
        statistic, p = 0.0, 1.0
    agreement = statistic / (listeners * (systems - 1))
    return Friedman(float(statistic), systems - 1, float(p), listeners, float(agreement))


def compare(rated: pd.DataFrame, systems: Sequence[str], plan: AnalysisPlan, draws: int) -> pd.DataFrame:
    """Compare every pair of systems; in a preference test, the pairs that were shown together.

    Returns:
        `first, second, primary`; `difference` of their means with `low, high`; `listeners` who rated both; from Wilcoxon's
        signed-rank test on these listeners' means `statistic` (the smaller rank sum), `p` and `rank_biserial`, which is 1
        if every listener prefers the first (Kerby 2014); `p_holm`, Holm's over all pairs but the primary contrast, which is
        tested alone; `detectable`, the smallest difference detectable with 80% power at alpha, or, for a pair that is not
        primary, at Holm's strictest step. In a preference test also the shares `chose_first, chose_second, chose_none` of
        its `comparisons`, and the `share` of the first with `share_low, share_high` over listeners, where "no preference"
        counts one half.
    """
    pairs = list(combinations(systems, 2))
    reach = KINDS[plan.test].values[-1] - KINDS[plan.test].values[0]
    others = max(1, len(pairs) - bool(plan.primary_contrast))
    records = []
    for first, second in pairs:
        a, b = (rated[rated["system"] == name] for name in (first, second))
        if plan.test == "preference":
            a, b = a[a["page"].isin(b["page"])], b[b["page"].isin(a["page"])]
        if not (len(a) and len(b)):
            continue
        primary = {first, second} == set(plan.primary_contrast)
        bootstrap = difference(a, b, draws, plan.seed)
        low, high = np.clip(bootstrap.limits(1 - plan.alpha), -reach, reach)
        record = {"first": first, "second": second, "primary": primary}
        record |= {"difference": bootstrap.estimate, "low": low, "high": high, **_wilcoxon(a, b)}
        record["detectable"] = bootstrap.detectable(plan.alpha if primary else plan.alpha / others)
        records.append(record | (_shares(a, plan, draws) if plan.test == "preference" else {}))
    table = pd.DataFrame(records)
    if len(table):
        table["p_holm"] = table["p"].where(table["primary"], holm(table["p"].where(~table["primary"])))
    return table


def difference(first: pd.DataFrame, second: pd.DataFrame, draws: int, seed: int) -> Bootstrap:
    """The bootstrap, over listeners and items, of the difference of two systems' mean ratings."""
    both = pd.concat([first, second])
    values, own = both["rating"].to_numpy(float), np.repeat([1.0, 0.0], [len(first), len(second)])
    found = clusters(len(both), both["listener"].tolist(), both["item"].tolist(), shared=False)
    return resample([(values, own), (values, 1 - own)], found, draws, seed)


def _wilcoxon(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    means = [part.groupby("listener")["rating"].mean() for part in (first, second)]
    return signed_ranks((means[0] - means[1]).dropna().to_numpy())


def signed_ranks(differences: np.ndarray) -> dict[str, float]:
    """Wilcoxon's signed-rank test of differences (n,) against 0, without zeros."""
    differences = np.round(differences, 9)
    apart = differences[differences != 0]
    if not len(apart):
        return {"listeners": len(differences), "statistic": 0.0, "p": 1.0, "rank_biserial": 0.0}
    result = stats.wilcoxon(apart)
    ranks = stats.rankdata(np.abs(apart))
    effect = float((np.sign(apart) * ranks).sum() / ranks.sum())
    return {
        "listeners": len(differences), "statistic": float(result.statistic), "p": float(result.pvalue),
        "rank_biserial": effect,
    }  # fmt: skip


def _shares(first: pd.DataFrame, plan: AnalysisPlan, draws: int) -> dict[str, float]:
    """Shares of the choices, from the ratings of the first system."""
    listeners = first["listener"].tolist()
    share = weighted_mean_interval(first["rating"], None, listeners, None, draws, plan.seed, 1 - plan.alpha, (0, 1))
    chose = {
        name: float((first["rating"] == value).mean()) for name, value in (("first", 1), ("second", 0), ("none", 0.5))
    }
    return {
        "comparisons": len(first), **{f"chose_{name}": value for name, value in chose.items()}, "share": share.mean,
        "share_low": share.low, "share_high": share.high,
    }  # fmt: skip
