"""Every design: simulated listeners with known truth, balanced sets, and which answers a page allows."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.listening.design_coverage import DESIGNS, coverage
from tests.support.simulated_designs import WORTH, expected, key_of, simulate
from tests.support.simulated_ratings import make_plan
from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.report import write
from vcbench.listening.analysis.screening import screen
from vcbench.listening.analysis.statistics import analyse, points, side_bias
from vcbench.listening.analysis.wording import WORDINGS
from vcbench.listening.design.sets import sets
from vcbench.listening.kinds import KINDS, ListeningError, find_tests
from vcbench.listening.options import contrast
from vcbench.listening.texts import languages, scale, texts

SYSTEMS = list(WORTH)


@pytest.mark.parametrize("test", DESIGNS)
def test_the_order_and_the_differences_are_recovered(test: str) -> None:
    findings = analyse(simulate(test, 7, 40), make_plan(test), SYSTEMS, SYSTEMS, 200)
    if not KINDS[test].discriminates:  # there, the score says how easily a system is told from the others
        means = findings.scores.set_index("system")["mean"]
        assert means.sort_values(ascending=False).index.tolist() == SYSTEMS
    truth = expected(test)
    found = findings.pairs.set_index(["first", "second"])
    assert set(found.index) == set(truth)
    for pair, difference in truth.items():
        own = found.loc[pair]
        assert own["difference"] == pytest.approx(difference, abs=0.8 * (own["high"] - own["low"])), pair  # 3 errors
    assert found.loc[("best", "poor"), "p_holm"] < 0.001
    assert found.loc[("best", "poor"), "cohen_d"] > 0.8
    assert (findings.friedman is None) == KINDS[test].pairs


@pytest.mark.parametrize("test", ["acr", "cmos", "abx", "bws"])
def test_intervals_cover_the_truth(test: str) -> None:
    """A short version of `design_coverage.py`: 40 tests of 6 pairs."""
    assert 0.90 <= coverage(test, 40, 14, 8, draws=60) <= 0.99


def test_the_careless_are_found_by_gold_pages_and_by_their_ratings() -> None:
    for test, gold_page in [
        ("bws", {"best": 1, "fair": 0, "poor": -1}),
        ("cmos", {"best": 3, "poor": -3}),
        ("ab", {"best": 1, "poor": 0}),
    ]:
        table = simulate(test, 3, 12, 4)
        accepted = {f"g_{name}": [rating] for name, rating in gold_page.items()}
        asked = [
            {
                "listener": str(number), "item": "", "system": f"gold:{name}", "condition": "", "page": "p_gold", "clip": f"g_{name}",
                "rating": rating if number < 11 else -rating if test != "ab" else 1 - rating, "position": place,
                "purpose": "gold", "heard": True, "right": False,
            }
            for number in range(1, 13)
            for place, (name, rating) in enumerate(gold_page.items())
        ]  # fmt: skip
        whole = pd.concat([table, pd.DataFrame(asked)], ignore_index=True)
        broken = screen(whole, make_plan(test), {"p_gold": {"purpose": "gold", "accepted": accepted}})
        wrong = broken[broken["rule"] == "gold clips answered wrongly"]
        assert wrong["listener"].tolist() == ["11", "12"], test
    table = simulate("cmos", 3, 12, 4)
    table.loc[table["listener"] == "5", "rating"] = 0
    always = (table["listener"] == "6").to_numpy()
    table.loc[always, "rating"] = np.where(table.loc[always, "position"] == 1, 3, -3)
    assert screen(table, make_plan("cmos"), {})["listener"].tolist() == [
        "5",
        "6",
    ]  # though the variance of both clips is 9


def test_abx_is_right_or_wrong_for_both_clips_and_its_sides_are_choices() -> None:
    table = simulate("abx", 1, 6, 4)
    rated = points(table, "abx")
    hits = table[(table["right"]) & (table["rating"] == 1)]
    by_page = rated.groupby(["listener", "page"])["rating"]
    assert (by_page.nunique() == 1).all()
    assert by_page.first().sum() == len(hits)
    side = side_bias(table, make_plan("abx"), 100)
    assert side["choices"] == len(table) / 2
    assert side["share"] == pytest.approx(table.loc[table["position"] == 0, "rating"].mean())


SAID = {
    "dmos": ["rated the clip's degradation from 1", "Mean ratings with 95% intervals", "A linear mixed model"],
    "cmos": ["rated the second against the first from -3", "best \u2212 poor +", "A was rated better in"],
    "ab": ['"no preference" was allowed', "best over poor", "A was chosen in"],
    "abx": ["said which of them X is", "best told from poor", "Shares of right answers"],
    "bws": ["best-worst scaling", "Friedman's test", "best \u2212 poor +"],
}


@pytest.mark.parametrize("test", list(SAID))
def test_a_plain_table_is_read_and_reported(test: str, tmp_path: Path) -> None:
    table = simulate(test, 4, 12, 6)
    table[["listener", "item", "system", "page", "rating"]].to_csv(tmp_path / "answers.csv", index=False)
    analysis = analyse_test(key_of(table, test), [tmp_path / "answers.csv"])
    direct = analyse(table, make_plan(test), sorted(SYSTEMS), sorted(SYSTEMS))
    pd.testing.assert_frame_equal(analysis.after.pairs, direct.pairs)
    write(analysis, tmp_path / "out")
    text = (tmp_path / "out" / "paragraph.txt").read_text()
    for words in SAID[test]:
        assert words in text
    report = (tmp_path / "out" / "analysis.md").read_text()
    assert "## Pairs" in report
    assert bool(re.search(r"\| right +\|", report)) == (test == "abx")
    assert ("share of first" in report) == (test == "ab")
    picture = (tmp_path / "out" / "scores.svg").read_text()
    assert all(f">{name}<" in picture for name in SYSTEMS)
    rows = pd.read_csv(tmp_path / "out" / "pairs.csv")
    assert len(rows) == 6


def test_holm_is_over_the_primary_contrasts_only() -> None:
    plan = make_plan("acr", primary_contrast=["good", "best", "fair"])
    pairs = analyse(simulate("acr", 2), plan, SYSTEMS, SYSTEMS, 100).pairs
    primary = pairs[pairs["primary"]]
    assert {frozenset(pair) for pair in primary[["first", "second"]].to_numpy()} == {
        frozenset({"good", "best"}),
        frozenset({"good", "fair"}),
    }
    assert primary["p_holm"].min() == pytest.approx(2 * primary["p"].min())
    assert pairs.loc[~pairs["primary"], "p_holm"].isna().all()
    assert contrast("good,best,fair") == ("good", "best", "fair")
    for names in ("good", "good,good"):
        with pytest.raises(ListeningError, match="A contrast names two rows"):
            contrast(names)


@given(st.integers(2, 40))
@settings(max_examples=15, deadline=None)
def test_in_sets_each_system_is_equally_often_and_all_are_connected(count: int) -> None:
    rows = [f"s{number:02d}" for number in range(count)]
    found = sets(rows, 4)
    assert all(len(set(one)) == min(4, count) for one in found)
    assert len(set(Counter(name for one in found for name in one).values())) == 1
    reached = set(found[0])
    for _ in rows:
        reached |= {name for one in found if reached & set(one) for name in one}
    assert reached == set(rows)
    met = Counter(frozenset(pair) for one in found for pair in combinations(one, 2))
    if 4 < count <= 13:
        assert len(met) == count * (count - 1) // 2  # every pair meets
    if count == 13:
        assert set(met.values()) == {1}  # a perfect difference set


@pytest.mark.parametrize(
    ("test", "allowed", "refused"),
    [
        ("cmos", [(-2, 2), (0, 0), (None, None)], [(2, 2), (None, 1), (1, 0)]),
        ("abx", [(1, 0), (0, 1)], [(0, 0), (1, 1), (1, None)]),
        ("bws", [(0, 1, -1, 0), (None, 1, None), (-1, None), (None,) * 4], [(0, 0, 1, 0), (1, -1, None, None), (0,) * 4]),
        ("smos", [(5,), (None,)], []),
    ],
)  # fmt: skip
def test_a_page_allows_only_what_its_controls_give(
    test: str, allowed: list[tuple[int | None, ...]], refused: list[tuple[int | None, ...]]
) -> None:
    kind = KINDS[test]
    assert all(kind.allows(ratings, False) for ratings in allowed)
    assert not any(kind.allows(ratings, False) for ratings in refused)
    assert KINDS["ab"].allows((0, 0), True)
    assert not KINDS["ab"].allows((0, 0), False)


def test_every_test_has_its_texts() -> None:
    assert {*KINDS, "mushra-like", "dmos-like"} == set(WORDINGS)
    for language in languages():
        words = texts(language)
        for test, kind in KINDS.items():
            assert all(words[f"{test}.{part}"] for part in ("name", "question", "instruction"))
            if kind.answer in ("category", "comparison"):
                assert [value for value, _ in scale(test, language)] == list(kind.values)


def test_presets() -> None:
    assert find_tests("vcc2020").tests == ("mos", "similarity-mos")
    assert find_tests("p808").options == {"traps": 1, "gold": 1, "per_item": 10}
    assert find_tests("similarity").tests == ("similarity-mos",)
    with pytest.raises(ListeningError, match=r"Unknown test 'cmoss'; allowed: mos, acr.*presets: vcc2020, p808"):
        find_tests("cmoss")
