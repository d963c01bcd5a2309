"""Many systems at once: the same errors as one by one, letters, a report that stays legible, and its time."""

from __future__ import annotations

import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.listening.many_systems import challenge, key_of
from tests.support.simulated_designs import simulate
from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.crossed import Grid
from vcbench.listening.analysis.letters import letters
from vcbench.listening.analysis.mixed_model import fit
from vcbench.listening.analysis.paragraph import paragraph
from vcbench.listening.analysis.report import write
from vcbench.listening.analysis.statistics import points
from vcbench.stats.bootstrap import Bootstrap, resample
from vcbench.stats.clusters import clusters

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(3, 60), st.integers(0, 99))


@given(sizes)
@settings(max_examples=60, deadline=None)
def test_errors_are_those_of_one_estimate_at_a_time(drawn: tuple[int, int, int, int]) -> None:
    """Every pattern of listeners and items: crossed, nested, a single one, too few."""
    many, items, count, seed = drawn
    random = np.random.default_rng(seed)
    listener, item = random.integers(0, many, count), random.integers(0, items, count)
    ratings = random.integers(1, 6, count) + listener * 0.25
    names = [f"l{code}" for code in listener], [f"i{code}" for code in item]
    if len(set(zip(*names, strict=True))) < 2:
        return  # one listener and one item: nothing is said of either
    own, grid = clusters(count, *names, shared=False), Grid(*names, 20, 0)
    whole = grid.group(np.arange(count), ratings).mean()
    check(whole, resample([(ratings, np.ones(count))], own, 20, 0))
    first = np.arange(count) % 2 == 0
    halves = [grid.group(np.flatnonzero(part), ratings[part]) for part in (first, ~first)]
    check(halves[0].minus(halves[1]), resample([(ratings, first * 1.0), (ratings, ~first * 1.0)], own, 20, 0))


def check(found: Bootstrap, expected: Bootstrap) -> None:
    assert found.estimate == pytest.approx(expected.estimate)
    assert len(found.errors) == len(expected.errors)
    for mine, theirs in zip(sorted(found.errors), sorted(expected.errors), strict=True):
        assert mine.size == pytest.approx(theirs.size, rel=1e-6, abs=1e-9)
        assert mine.freedom == pytest.approx(theirs.freedom, rel=1e-6)


def test_draws_divide_the_interval_as_one_by_one() -> None:
    table = simulate("acr", 5, 15, 10)
    rated = points(table, "acr")
    rated = rated[rated["system"] == "best"].assign(rating=lambda t: t["rating"] ** 3)  # skewed
    names = rated["listener"].tolist(), rated["item"].tolist()
    values = rated["rating"].to_numpy(float)
    mine = Grid(*names, 4000, 0).group(np.arange(len(values)), values).mean().limits(0.95)
    expected = resample([(values, np.ones(len(values)))], clusters(len(values), *names, shared=False), 4000, 1)
    low, high = expected.limits(0.95)
    assert mine == pytest.approx((low, high), abs=0.05 * (high - low))
    assert high - expected.estimate != pytest.approx(expected.estimate - low, rel=0.02)


systems = st.lists(st.floats(0, 5), min_size=2, max_size=9, unique=True)


@given(systems, st.floats(0.1, 3), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_systems_share_a_letter_if_and_only_if_they_do_not_differ(means: list[float], reach: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = [f"s{place}" for place in range(len(means))]
    mean = dict(zip(names, sorted(means, reverse=True), strict=True))
    rows = [
        (first, second, 0.01 if mean[first] - mean[second] > reach * random.uniform(0.5, 1.5) else 0.5)
        for first, second in combinations(names, 2)
    ]
    shown = letters(names, pd.DataFrame(rows, columns=["first", "second", "p_holm"]), 0.05)
    for first, second, p in rows:
        assert (not set(shown[first].split()) & set(shown[second].split())) == (p <= 0.05)
    assert shown["s0"].split()[0] == "a"


def test_a_challenge_is_analysed_in_seconds_and_stays_legible(tmp_path: Path) -> None:
    """60 systems and 119 listeners. `many_systems.py` measures 26,000 and 50,000 ratings; these are fewer."""
    table, truth = challenge(9000)
    table.to_csv(tmp_path / "ratings.csv", index=False)
    key = key_of(table)
    key = type(key)(key.content, key.gold, key.plan.model_copy(update={"bootstrap_samples": 500}), True, key.bundle)
    started = time.process_time()
    analysis = analyse_test(key, [tmp_path / "ratings.csv"])
    write(analysis, tmp_path / "out")
    assert time.process_time() - started < 40
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert len(pairs) == 60 * 59 / 2
    assert {"difference", "low", "high", "p_holm", "rank_biserial", "cohen_d"} <= set(pairs)
    report = (tmp_path / "out" / "analysis.md").read_text()
    assert report.count("\n| T") < 260  # three tables of scores and the model, not 1770 pairs
    assert "All 1,770 pairs, with p-values and effect sizes, are in pairs.csv." in report
    order = [line.split("|")[1].strip() for line in report.split("## Scores")[1].splitlines() if line.startswith("| T")]
    means = analysis.after.scores.query("condition == 'all'").set_index("system")["mean"]
    assert order == means.sort_values(ascending=False).index.tolist()
    assert means.corr(pd.Series(truth), method="spearman") > 0.97
    assert "ranged from T" in (text := paragraph(analysis))
    assert len(text) < 2000
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert scores["letters"].notna().all()
    svg = (tmp_path / "out" / "scores.svg").read_text()
    height = float(svg.split('height="')[1].split("pt")[0])
    assert 60 * 0.2 * 72 < height < 60 * 0.3 * 72


def test_the_mixed_model_is_that_of_statsmodels() -> None:
    """Unbalanced ratings, where there is no closed form."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    random = np.random.default_rng(4)
    rated = points(simulate("acr", 9, 14, 10), "acr").sample(frac=0.7, random_state=1)
    for name in ("listener", "item"):  # opinions of all systems, so that no variance is zero
        rated["rating"] += rated[name].map({level: random.normal(0, 0.7) for level in rated[name].unique()})
    mine = fit(rated, ["best", "good", "fair", "poor"], 0.05)
    assert mine is not None
    assert mine.converged
    data = rated.assign(system=pd.Categorical(rated["system"], ["best", "good", "fair", "poor"]), everything=1)
    parts = {"listener": "0 + C(listener)", "item": "0 + C(item)"}
    model = MixedLM.from_formula("rating ~ system", data, groups="everything", vc_formula=parts).fit(method=["lbfgs"])
    assert mine.effects["estimate"].to_numpy() == pytest.approx(np.asarray(model.params)[:4], abs=2e-3)
    assert mine.effects["error"].to_numpy() == pytest.approx(np.asarray(model.bse)[:4], rel=0.01)
    expected = dict(zip(model.model.exog_vc.names, model.vcomp, strict=True)) | {"residual": model.scale}
    assert mine.variances == pytest.approx(expected, rel=0.05, abs=2e-3)
