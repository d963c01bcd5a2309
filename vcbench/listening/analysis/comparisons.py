"""Tests on listeners' means: whether systems differ, and which pairs do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from vcbench.listening.analysis.crossed import Grid, Group
from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.kinds import KINDS
from vcbench.stats.bootstrap import Bootstrap
from vcbench.stats.scores import holm

EXACT = 50  # differences; of more the sum of ranks is nearly normal


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


class Pair(NamedTuple):
    """Two systems: the bootstrap of their difference, listeners' own differences (listeners,), and shares of choices."""

    first: str
    second: str
    bootstrap: Bootstrap
    differences: np.ndarray
    shares: dict[str, float]


def compare(
    rated: pd.DataFrame, systems: Sequence[str], plan: AnalysisPlan, grid: Grid, groups: Mapping[str, Group]
) -> pd.DataFrame:
    """Compare every pair of systems; where a page shows two clips, the pairs that were shown together.

    Args:
        rated: of `vcbench.listening.analysis.statistics.points`; `grid` has its listeners and items.
        groups: the ratings of each system.

    Returns:
        `first, second`; `primary`, whether the pair is one of the primary contrasts; `difference` with `low, high`;
        `listeners` who rated both; from Wilcoxon's signed-rank test on these listeners' means `statistic` (the smaller
        rank sum), `p` and `rank_biserial`, which is 1 if every listener prefers the first (Kerby 2014); `cohen_d`, the mean
        of listeners' differences over their standard deviation; `p_holm`, Holm's over the primary contrasts, or over all
        pairs if there are none: other pairs are exploratory and have none; `detectable`, the smallest difference detectable
        with 80% power at the strictest step of Holm, or for an exploratory pair at alpha.

        The difference is that of the means; of shares of choices in a test that asks for one; with a right answer, of the
        share of right answers and one half; and in a comparison the mean rating of the first against the second. If one of
        two clips is chosen, there are also the `comparisons` and the shares `chose_first, chose_second, chose_none`, or
        `right`.
    """
    kind = KINDS[plan.test]
    found = list(_of_pages(rated, systems, plan.test, grid) if kind.pairs else _of_systems(rated, systems, groups))
    primary = [plan.is_primary(pair.first, pair.second) for pair in found]
    family = sum(primary) or len(found)
    reach = 0.5 if kind.discriminates else kind.values[-1] - kind.values[0] * (not kind.pairs)
    records = []
    for pair, chief in zip(found, primary, strict=True):
        low, high = np.clip(pair.bootstrap.limits(1 - plan.alpha), -reach, reach)
        record = {"first": pair.first, "second": pair.second, "primary": chief, "difference": pair.bootstrap.estimate}
        record |= {"low": low, "high": high, **signed_ranks(pair.differences), "cohen_d": cohen_d(pair.differences)}
        step = plan.alpha / family if chief or not any(primary) else plan.alpha
        records.append(record | {"detectable": pair.bootstrap.detectable(step)} | pair.shares)
    table = pd.DataFrame(records)
    if len(table):
        table["p_holm"] = holm(table["p"].where(table["primary"] | (not any(primary))))
    return table


def _of_systems(rated: pd.DataFrame, systems: Sequence[str], groups: Mapping[str, Group]) -> Iterator[Pair]:
    means = rated.pivot_table(index="listener", columns="system", values="rating", aggfunc="mean")
    for first, second in combinations((name for name in systems if name in groups), 2):
        own = (means[first] - means[second]).to_numpy()
        yield Pair(first, second, groups[first].minus(groups[second]), own[~np.isnan(own)], {})


def _of_pages(rated: pd.DataFrame, systems: Sequence[str], test: str, grid: Grid) -> Iterator[Pair]:
    """From the ratings of the first of two systems on the pages that show both."""
    kind, order = KINDS[test], {name: place for place, name in enumerate(systems)}
    places = np.arange(len(rated))
    own = rated.assign(place=places, order=rated["system"].map(order)).dropna(subset=["order"])
    own = own.sort_values("order", kind="stable")
    shown = own.groupby(["listener", "page"], sort=False)["system"].agg(["first", "last", "size"])
    pairs = own.drop_duplicates(["listener", "page"]).join(shown, on=["listener", "page"])
    by_pair = {key: part for key, part in pairs[pairs["size"] > 1].groupby(["first", "last"])}
    for first, second in combinations(systems, 2):
        part = by_pair.get((first, second))
        if part is None:
            continue
        ratings = part["rating"].to_numpy(float)
        worth = ratings - 0.5 if kind.discriminates else 2 * ratings - 1 if kind.answer == "choice" else ratings
        means = part.assign(worth=worth).groupby("listener")["worth"].mean().to_numpy()
        yield Pair(first, second, grid.group(part["place"].to_numpy(), worth).mean(), means, _shares(ratings, test))


def _shares(ratings: np.ndarray, test: str) -> dict[str, float]:
    kind = KINDS[test]
    if kind.answer != "choice":
        return {}
    if kind.discriminates:
        return {"comparisons": len(ratings), "right": float(ratings.mean())}
    chose = {"first": 1, "second": 0, "none": 0.5}
    return {
        "comparisons": len(ratings),
        **{f"chose_{name}": float((ratings == one).mean()) for name, one in chose.items()},
    }


def signed_ranks(differences: np.ndarray) -> dict[str, float]:
    """Wilcoxon's signed-rank test of differences (n,) against 0, without zeros; exact, with ties too, up to EXACT of them."""
    differences = np.round(differences, 9)
    apart = differences[differences != 0]
    if not len(apart):
        return {"listeners": len(differences), "statistic": 0.0, "p": 1.0, "rank_biserial": 0.0}
    ranks = stats.rankdata(np.abs(apart))
    above = float(ranks[apart > 0].sum())
    least = min(above, float(ranks.sum()) - above)
    if len(apart) <= EXACT:
        p = min(1.0, 2 * float(_sums_of_ranks(ranks)[: round(2 * least) + 1].sum()))
    else:
        p = float(stats.wilcoxon(apart, method="asymptotic").pvalue)
    effect = float((np.sign(apart) * ranks).sum() / ranks.sum())
    return {"listeners": len(differences), "statistic": least, "p": p, "rank_biserial": effect}


def _sums_of_ranks(ranks: np.ndarray) -> np.ndarray:
    """The probability of each sum of ranks of random signs, in steps of one half: ranks of ties are halves.

    scipy has this only without ties; with ties it tries all signs one by one, which takes 10,000 times as long.
    """
    shares = np.ones(1)
    for rank in np.rint(2 * ranks).astype(int):
        grown = np.zeros(len(shares) + rank)
        grown[: len(shares)] += shares / 2
        grown[rank:] += shares / 2
        shares = grown
    return shares


def cohen_d(differences: np.ndarray) -> float:
    """The mean of differences (n,) over their standard deviation (Cohen's d of paired values); NaN if they do not vary."""
    spread = differences.std(ddof=1) if len(differences) > 1 else 0.0
    return float(differences.mean() / spread) if spread > 1e-12 else np.nan
