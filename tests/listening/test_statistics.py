"""Simulated listeners with known truth, and published examples."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.support.simulated_ratings import make_plan, tabulate
from vcbench.listening.analysis.comparisons import friedman, signed_ranks
from vcbench.listening.analysis.crossed import Grid
from vcbench.listening.analysis.mixed_model import fit
from vcbench.listening.analysis.screening import screen
from vcbench.listening.analysis.statistics import agreement, analyse, bimodality, points, side_bias
from vcbench.listening.design.design import ANCHOR_35, ANCHOR_70, HIDDEN
from vcbench.listening.design.plan import CategoryScreening

SYSTEMS = ["best", "good", "fair", "poor"]
TRUTH = {"best": 75.0, "good": 60.0, "fair": 50.0, "poor": 35.0}
CARELESS = ["21", "22", "23"]


def simulate_mushra(seed: int, items: int = 8) -> pd.DataFrame:
    """20 good listeners and 3 who move sliders at random."""
    random = np.random.default_rng(seed)
    tastes, difficulty = random.normal(0, 6, (23, 1)), random.normal(0, 4, items)
    scores = {name: mean + tastes + difficulty + random.normal(0, 8, (23, items)) for name, mean in TRUTH.items()}
    scores |= {HIDDEN: random.uniform(93, 100, (23, items)), ANCHOR_35: random.uniform(5, 25, (23, items))}
    scores[ANCHOR_70] = random.uniform(20, 45, (23, items))
    for ratings in scores.values():
        ratings[20:] = random.uniform(0, 100, (3, items))
    return tabulate({name: ratings.clip(0, 100).round() for name, ratings in scores.items()})


def test_screening_finds_the_careless_and_the_order_is_recovered() -> None:
    table, plan = simulate_mushra(0), make_plan(primary_contrast=["good", "fair"])
    broken = screen(table, plan, {})
    assert sorted(set(broken["listener"])) == CARELESS
    assert set(broken["rule"]) <= {"hidden reference below 90", "7 kHz anchor above 90"}
    findings = analyse(
        table[~table["listener"].isin(CARELESS)], plan, [*SYSTEMS, HIDDEN, ANCHOR_35, ANCHOR_70], SYSTEMS
    )
    means = findings.scores.set_index("system").loc[SYSTEMS, "mean"]
    assert means.sort_values(ascending=False).index.tolist() == SYSTEMS
    assert means.to_numpy() == pytest.approx(list(TRUTH.values()), abs=5)
    assert (findings.listeners, findings.items, findings.ratings) == (20, 8, 20 * 8 * 7)
    assert findings.friedman is not None
    assert findings.friedman.p < 1e-6
    assert len(findings.pairs) == 6
    assert (findings.pairs["difference"] > 0).all()
    assert (findings.pairs["p"] < 0.05).all()
    primary = findings.pairs[findings.pairs["primary"]]
    assert primary[["first", "second"]].to_numpy().tolist() == [["good", "fair"]]
    assert primary["p_holm"].item() == primary["p"].item()  # no correction
    assert findings.pairs.loc[~findings.pairs["primary"], "p_holm"].isna().all()


def simulate_mos(seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """20 good listeners; one who ignores traps, one who always answers 3, one who skips through clips."""
    random = np.random.default_rng(seed)
    truth = {"a": 4.2, "b": 3.3, "c": 2.4}
    scores = {name: random.normal(mean, 0.6, (23, 8)).round().clip(1, 5) for name, mean in truth.items()}
    for ratings in scores.values():
        ratings[21] = 3
    traps = tabulate({"trap:1:rate_2": np.full((23, 2), 2.0)}, "trap").assign(item="", page=lambda t: t["clip"])
    traps.loc[traps["listener"] == "21", "rating"] = 5
    table = pd.concat([tabulate(scores), traps], ignore_index=True)
    table.loc[(table["listener"] == "23") & (table["clip"] == "s_a_0"), "heard"] = False
    return table, {page: {"purpose": "trap", "accepted": {page: [2]}} for page in set(traps["page"])}


def test_screening_of_categories() -> None:
    table, gold = simulate_mos(3)
    broken = screen(table, make_plan("mos"), gold)
    assert dict(zip(broken["listener"], broken["rule"], strict=True)) == {
        "21": "trap clips answered wrongly", "22": "ratings all the same", "23": "clips not played fully",
    }  # fmt: skip
    assert "0 of 2 right" in broken["found"][0]
    lenient = CategoryScreening(all_heard=False, traps_share=0.0, minimum_variance=0.0)
    assert screen(table, make_plan("mos", category=lenient), gold).empty


def test_an_anchor_that_many_misjudge_is_the_items_fault() -> None:
    anchor = np.full((20, 4), 30.0)
    anchor[:6, 0] = 95  # by 30% of listeners: the item does not count
    anchor[7, 1] = 95  # in 1 of 3 items
    table = tabulate({ANCHOR_70: anchor, HIDDEN: np.full((20, 4), 100.0)})
    assert screen(table, make_plan(), {})[["listener", "found"]].to_numpy().tolist() == [
        ["8", "in 1 of 3 items; at most 15% are allowed"]
    ]


def test_intervals_cover_the_truth() -> None:
    """300 studies of two systems with 20 listeners and 12 items; the truth is the population mean."""
    random = np.random.default_rng(5)
    covered = {"mean": 0, "difference": 0}
    cells = [(str(a), str(b)) for a in range(20) for b in range(12)]
    listeners, items = ([one[part] for one in cells] * 2 for part in (0, 1))
    grid, half = Grid(listeners, items, 200, 0), len(cells)
    for _ in range(300):
        shared = random.normal(0, 6, (20, 1)) + random.normal(0, 5, (1, 12))
        first, second = (
            mean + shared + random.normal(0, 4, (20, 1)) + random.normal(0, 3, (1, 12)) + random.normal(0, 8, (20, 12))
            for mean in (60, 50)
        )
        groups = [grid.group(np.arange(half) + start, x.ravel().round(1)) for start, x in ((0, first), (half, second))]
        low, high = groups[0].mean().limits(0.95)
        covered["mean"] += low <= 60 <= high
        low, high = groups[0].minus(groups[1]).limits(0.95)
        covered["difference"] += low <= 10 <= high
    assert 0.92 <= covered["mean"] / 300 <= 0.97, covered
    assert 0.92 <= covered["difference"] / 300 <= 0.97, covered


def test_friedman_as_published() -> None:
    """Hollander and Wolfe (1973), page 140: 22 players round first base by three methods."""
    times = np.array([
        [5.40, 5.50, 5.55], [5.85, 5.70, 5.75], [5.20, 5.60, 5.50], [5.55, 5.50, 5.40],
        [5.90, 5.85, 5.70], [5.45, 5.55, 5.60], [5.40, 5.40, 5.35], [5.45, 5.50, 5.35],
        [5.25, 5.15, 5.00], [5.85, 5.80, 5.70], [5.25, 5.20, 5.10], [5.65, 5.55, 5.45],
        [5.60, 5.35, 5.45], [5.05, 5.00, 4.95], [5.50, 5.50, 5.40], [5.45, 5.55, 5.50],
        [5.55, 5.55, 5.35], [5.45, 5.50, 5.55], [5.50, 5.45, 5.25], [5.65, 5.60, 5.40],
        [5.70, 5.65, 5.55], [6.30, 6.30, 6.25],
    ])  # fmt: skip
    result = friedman(pd.DataFrame(times))
    assert result is not None
    assert (result.statistic, result.p) == pytest.approx((11.143, 0.003805), rel=1e-3)
    assert (result.freedom, result.listeners) == (2, 22)
    assert result.agreement == pytest.approx(11.143 / 44, rel=1e-3)
    alike = friedman(pd.DataFrame(np.ones((4, 3))))
    assert alike is not None
    assert (alike.statistic, alike.p) == (0, 1)
    assert friedman(pd.DataFrame(times[:, :2])) is None


def test_signed_ranks_as_published() -> None:
    """Hollander and Wolfe (1973), pages 29 to 33: depression before and after therapy; V = 40, two-sided p = 0.039."""
    before = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    after = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    found = signed_ranks(before - after)
    assert found["statistic"] == 5
    assert found["p"] == pytest.approx(0.03906, abs=1e-5)
    assert found["rank_biserial"] == pytest.approx((40 - 5) / 45)
    assert signed_ranks(np.zeros(4))["p"] == 1


def test_signed_ranks_with_ties_are_those_of_all_signs() -> None:
    differences = np.array([1.0, 1, -1, 2, 2, 0, 3, -0.5, 2])
    apart = differences[differences != 0]
    ranks = stats.rankdata(np.abs(apart))
    sums = [sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign) for signs in product((0, 1), repeat=8)]
    least = min(ranks[apart > 0].sum(), ranks[apart < 0].sum())
    assert signed_ranks(differences)["p"] == pytest.approx(2 * np.mean(np.array(sums) <= least))
    many = np.random.default_rng(0).normal(0.1, 1, 50).round(1)
    exact, near = signed_ranks(many)["p"], stats.wilcoxon(many[many != 0], method="asymptotic").pvalue
    assert exact == pytest.approx(near, rel=0.1)


def test_agreement_as_published() -> None:
    """Krippendorff (2011), "Computing Krippendorff's alpha-reliability", section C: ordinal 0.815, interval 0.849."""
    ratings = "123321412...", "12332241 25.3".replace(" ", ""), ".33323422 51.".replace(" ", ""), "12332441251."
    matrix = np.array([[np.nan if mark == "." else float(mark) for mark in row] for row in ratings])
    table = points(tabulate({"a": matrix}), "mos")
    assert agreement(table, "mos") == pytest.approx(0.815, abs=5e-4)
    assert agreement(table, "mushra") == pytest.approx(0.849, abs=5e-4)
    same = tabulate({"a": np.tile([1.0, 3.0, 2.0, 5.0], (6, 1))})
    assert agreement(same, "mos") == 1
    assert np.isnan(agreement(tabulate({"a": np.full((6, 4), 3.0)}), "mos"))


def test_mixed_model_is_the_analysis_of_variance_where_all_is_balanced() -> None:
    random = np.random.default_rng(2)
    listeners, items, systems = 10, 6, 3
    noise = random.normal(0, 5, (systems, listeners, items))
    ratings = noise + random.normal(0, 6, (listeners, 1)) + random.normal(0, 4, items)
    ratings += np.array([50.0, 60.0, 40.0])[:, None, None]
    table = points(tabulate(dict(zip("abc", ratings, strict=True))), "mushra")
    model = fit(table, ["a", "b", "c"], 0.05)
    assert model is not None
    assert model.converged
    means = ratings.mean((1, 2))
    assert model.effects["estimate"].to_numpy() == pytest.approx([means[0], *(means[1:] - means[0])])
    grand = ratings.mean()
    by = {axis: ratings.mean(tuple({0, 1, 2} - {axis})) - grand for axis in range(3)}
    rest = ratings - grand - by[0][:, None, None] - by[1][:, None] - by[2]
    residual = (rest**2).sum() / (ratings.size - 1 - (systems - 1) - (listeners - 1) - (items - 1))
    assert model.variances["residual"] == pytest.approx(residual, rel=1e-3)
    assert model.variances["listener"] == pytest.approx(by[1].var(ddof=1) - residual / (systems * items), rel=0.01)
    assert model.variances["item"] == pytest.approx(by[2].var(ddof=1) - residual / (systems * listeners), rel=0.01)
    assert model.effects["error"][1] == pytest.approx(np.sqrt(2 * residual / (listeners * items)), rel=1e-3)
    assert fit(table[table["listener"] == "1"], ["a", "b"], 0.05) is None


def test_median_interval_is_that_of_every_draw() -> None:
    values = np.array([1.0, 2, 5, 4, 3, 3, 2, 5, 1])
    listeners, items = np.repeat([0, 1, 2], 3), np.tile([3, 4, 5], 3)
    names = [str(code) for code in listeners], [str(code) for code in items]
    random = np.random.default_rng(0)
    medians = []
    for _ in range(4000):
        drawn = random.multinomial(6, [1 / 6] * 6)
        weights = drawn[listeners] * drawn[items]
        if weights.any():
            medians.append(np.median(np.repeat(values, weights)))
    interval = Grid(*names, 4000, 1).group(np.arange(9), values).median(0.8)
    assert interval == pytest.approx(np.quantile(medians, [0.1, 0.9]), abs=0.5)
    assert Grid(*names, 100, 0).group(np.arange(9), np.full(9, 3.0)).median(0.95) == (3, 3)


def test_two_modes() -> None:
    random = np.random.default_rng(0)
    assert bimodality(random.normal(0, 1, 2000)) == pytest.approx(1 / 3, abs=0.05)
    assert bimodality(random.uniform(0, 1, 20000)) == pytest.approx(5 / 9, abs=0.01)
    assert bimodality(random.choice([0.0, 1.0], 2000)) > 0.9


def preferences(chosen: np.ndarray) -> pd.DataFrame:
    """A table from choices (listeners, items): 1 for "a", -1 for "b", 0 for neither; a is shown as A in even items."""
    table = tabulate({"a": (chosen > 0).astype(float), "b": (chosen < 0).astype(float)})
    even = table["item"].str.removeprefix("t").astype(int) % 2 == 0
    return table.assign(position=np.where(even == (table["system"] == "a"), 0, 1))


def test_preferences() -> None:
    random = np.random.default_rng(4)
    chosen = random.choice([1, 0, -1], (20, 10), p=[0.6, 0.2, 0.2])
    chosen[:, ::2] = np.where(random.random((20, 5)) < 0.2, 1, chosen[:, ::2])  # A is chosen more often than B
    table, plan = preferences(chosen), make_plan("preference")
    findings = analyse(table, plan, ["a", "b"], ["a", "b"])
    (pair,) = findings.pairs.to_dict("records")
    shares = [np.mean(chosen == value) for value in (1, -1, 0)]
    assert [pair[f"chose_{name}"] for name in ("first", "second", "none")] == pytest.approx(shares)
    assert pair["difference"] == pytest.approx(chosen.mean())
    assert pair["low"] < chosen.mean() < pair["high"]
    assert (pair["comparisons"], findings.ratings, pair["listeners"]) == (200, 200, 20)
    assert pair["p"] < 0.001
    assert pair["rank_biserial"] > 0.8
    mean = findings.scores.set_index("system")["mean"]
    assert mean["a"] == pytest.approx((1 + chosen.mean()) / 2)
    assert mean["a"] + mean["b"] == pytest.approx(1)
    side = side_bias(table, plan, 500)
    sides = np.where(np.arange(10) % 2 == 0, chosen, -chosen)
    assert side["share"] == pytest.approx((sides > 0).sum() / (sides != 0).sum())
    assert side["low"] < side["share"] < side["high"]
    assert agreement(points(preferences(np.tile([1, -1, 0, 1], (5, 1))), "preference"), "preference") == 1
