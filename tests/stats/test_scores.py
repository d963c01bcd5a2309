"""Intervals, comparisons and ranks; simulations check what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vcbench.stats.scores import compare_pairs, holm, ranks, weighted_mean_interval


def crossed_trials(
    generator: np.random.Generator, sources: int, targets: int, trials: int
) -> tuple[np.ndarray, np.ndarray]:
    """Source and target speakers of trials that use each cell of the grid as evenly as possible, in random order."""
    cells = np.concatenate([generator.permutation(sources * targets) for _ in range(-(-trials // (sources * targets)))])
    return cells[:trials] // targets, cells[:trials] % targets


def names(codes: np.ndarray, kind: str = "p") -> list[str]:
    return [f"{kind}{code}" for code in codes]


def score_table(values: dict[str, np.ndarray], rows: np.ndarray, columns: np.ndarray) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {
                "system": system,
                "trial": [f"t{index:04d}" for index in range(len(rows))],
                "condition": "seen->seen",
                "value": numbers,
                "weight": 1.0,
                "source_speaker": names(rows, "s"),
                "target_speaker": names(columns, "t"),
            }
        )
        for system, numbers in values.items()
    ]
    return pd.concat(tables, ignore_index=True)


def simulate_pair(generator: np.random.Generator, difference: float) -> pd.DataFrame:
    """Two systems that share the trials' difficulty, each with its own speaker effects and noise."""
    rows, columns = crossed_trials(generator, 12, 12, 96)
    shared = 2 * generator.normal(0, 1, 12)[rows] + 2 * generator.normal(0, 1, 12)[columns]
    own = [
        0.5 * generator.normal(0, 1, 12)[rows]
        + 0.5 * generator.normal(0, 1, 12)[columns]
        + generator.normal(0, 1, len(rows))
        for _ in range(2)
    ]
    return score_table({"first": shared + difference + own[0], "second": shared + own[1]}, rows, columns)


def test_a_difference_of_the_detectable_size_is_found_four_times_in_five():
    generator = np.random.default_rng(2)
    sizes = [compare_pairs(simulate_pair(generator, 0.0), True, draws=50)["detectable"].item() for _ in range(50)]
    tables = [compare_pairs(simulate_pair(generator, float(np.mean(sizes))), True, draws=50) for _ in range(200)]
    assert 0.72 <= np.mean([table["better"].item() == "first" for table in tables]) <= 0.88


def test_p_value_agrees_with_the_interval_of_the_difference():
    generator = np.random.default_rng(3)
    tables = [compare_pairs(simulate_pair(generator, 0.5), True, draws=1000) for _ in range(60)]
    agreement = [(row["low"] > 0 or row["high"] < 0) == (row["p"] < 0.05) for row in (t.iloc[0] for t in tables)]
    assert np.mean(agreement) > 0.95


def test_one_kind_of_cluster_matches_the_t_interval_of_cluster_means():
    generator = np.random.default_rng(4)
    speakers = np.repeat(np.arange(20), 5)
    values = generator.normal(0, 1, 20)[speakers] + generator.normal(0, 0.2, 100)
    means = values.reshape(20, 5).mean(1)
    expected = stats.t.interval(0.95, 19, means.mean(), stats.sem(means))
    for clusters in [(names(speakers), None), (None, names(speakers)), (names(speakers), names(speakers))]:
        interval = weighted_mean_interval(values, None, *clusters, draws=20000)
        assert (interval.low, interval.high) == pytest.approx(expected, abs=0.06 * (expected[1] - expected[0]))


def test_without_speakers_the_rows_are_resampled():
    values = np.random.default_rng(5).normal(0, 1, 50)
    expected = stats.t.interval(0.95, 49, values.mean(), stats.sem(values))
    plain = weighted_mean_interval(values, draws=20000)
    assert (plain.low, plain.high) == pytest.approx(expected, abs=0.06 * (expected[1] - expected[0]))
    assert weighted_mean_interval(values, None, [""] * 50, [""] * 50, draws=20000) == plain
    assert weighted_mean_interval(values, None, ["a"] * 50, ["b"] * 50, draws=20000) == plain


def test_weights_pool():
    interval = weighted_mean_interval([0.0, 0.5], [9, 1], ["a", "b"], ["c", "d"])
    assert interval.mean == pytest.approx(0.05)
    assert interval.count == 2


def test_a_single_value_has_no_interval():
    interval = weighted_mean_interval([0.3])
    assert interval.mean == 0.3
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


def test_the_seed_decides():
    values = np.random.default_rng(6).normal(0, 1, 30)
    assert weighted_mean_interval(values, seed=1) == weighted_mean_interval(values, seed=1)
    assert weighted_mean_interval(values, seed=1) != weighted_mean_interval(values, seed=2)


@pytest.mark.parametrize(
    ("values", "weights", "speakers", "message"),
    [
        ([], None, None, "at least one value"),
        ([1.0, np.nan], None, None, "Some values are not finite numbers: 1 of 2"),
        ([1.0, 2.0], [1.0], None, "one weight for each"),
        ([1.0, 2.0], [0.0, 0.0], None, "at least one must be above zero"),
        ([1.0, 2.0], [1.0, -1.0], None, "not negative"),
        ([1.0, 2.0], None, ["a"], "a speaker for each value: 2; got 1"),
    ],
)
def test_unusable_scores_are_refused(values, weights, speakers, message):
    with pytest.raises(ValueError, match=message):
        weighted_mean_interval(values, weights, speakers)


names_of = st.sampled_from(["a", "b", "c", "d", "e", ""])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names_of, names_of), min_size=1, max_size=20), st.integers(0, 9))
def test_neither_the_order_of_rows_nor_names_nor_the_unit_change_an_interval(trials, seed):
    sources, targets = (list(part) for part in zip(*trials, strict=True))
    generator = np.random.default_rng(seed)
    values, weights = generator.normal(0, 1, len(trials)), generator.integers(1, 9, len(trials))
    interval = weighted_mean_interval(values, weights, sources, targets, draws=100)
    order = generator.permutation(len(trials))
    renamed = dict(zip("abcde", "edcba", strict=True)) | {"": ""}
    for rename in ({}, renamed):
        again = weighted_mean_interval(
            10 * values[order] + 5,
            3 * weights[order],
            *([rename.get(name, name) for name in np.array(role)[order]] for role in (sources, targets)),
            draws=100,
        )
        expected = [10 * limit + 5 for limit in (interval.mean, interval.low, interval.high)]
        assert (again.mean, again.low, again.high) == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    if not np.isnan(interval.low):
        assert interval.low <= interval.mean <= interval.high


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(names_of, names_of), min_size=2, max_size=20), st.integers(0, 9))
def test_the_order_of_two_systems_changes_only_the_sign(trials, seed):
    generator = np.random.default_rng(seed)
    speakers = np.array(trials).T
    table = score_table({"a": generator.normal(0, 1, len(trials)), "b": generator.normal(0, 1, len(trials))}, *speakers)
    table = table.assign(source_speaker=np.tile(speakers[0], 2), target_speaker=np.tile(speakers[1], 2))
    one, other = (compare_pairs(table, True, order, draws=100).iloc[0] for order in (["a", "b"], ["b", "a"]))
    signed = [-other["difference"], -other["high"], -other["low"]]
    assert one[["difference", "low", "high"]].tolist() == pytest.approx(signed, nan_ok=True)
    assert (one["p"], one["detectable"]) == pytest.approx((other["p"], other["detectable"]), nan_ok=True)
    assert one["better"] == other["better"]


def test_an_interval_is_cut_at_what_values_can_be():
    values, speakers = [0.0, 0.1, 0.9, 0.2], list("aabb")
    assert weighted_mean_interval(values, None, speakers).low < 0
    cut = weighted_mean_interval(values, None, speakers, bounds=(0, 1))
    assert (cut.low, cut.high) == (0, 1)
    assert weighted_mean_interval([-1.0, 2.0], bounds=(0, 1)).low == -1  # the values know better


def test_identical_values_give_an_interval_of_no_width():
    interval = weighted_mean_interval([0.25] * 6, None, list("aabbcc"), list("xyxyxy"))
    assert (interval.low, interval.high) == pytest.approx((0.25, 0.25))


def test_pairs_use_the_common_trials_only():
    generator = np.random.default_rng(7)
    rows, columns = crossed_trials(generator, 6, 6, 36)
    shared = generator.normal(0, 1, 36)
    table = score_table({"good": shared + 1, "poor": shared + generator.normal(0, 0.1, 36)}, rows, columns)
    # If trials were paired by position, or only means compared, the missing hard trials would reverse the result.
    poor = table[table["system"] == "poor"]
    hard = poor.index[poor["value"] < poor["value"].median()]
    shuffled = table.drop(hard).sample(frac=1, random_state=0)
    row = compare_pairs(shuffled, True, ["good", "poor"]).iloc[0]
    assert row["common"] == 18
    assert row["difference"] == pytest.approx(1, abs=0.1)
    assert row["better"] == "good"
    assert compare_pairs(shuffled, False, ["good", "poor"])["better"].item() == "poor"
    assert compare_pairs(shuffled, None, ["good", "poor"])["better"].item() == ""


def test_pairs_without_common_trials_cannot_be_told_apart():
    table = score_table({"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}, np.arange(2), np.arange(2))
    table.loc[table["system"] == "b", "trial"] = ["other", "another"]
    row = compare_pairs(table, True).iloc[0]
    assert row["common"] == 0
    assert np.isnan([row["difference"], row["p"], row["p_holm"], row["detectable"]]).all()
    assert row["better"] == ""


def test_one_system_has_no_pairs():
    table = score_table({"a": np.array([1.0, 2.0])}, np.arange(2), np.arange(2))
    assert compare_pairs(table, True).empty
    assert ranks(compare_pairs(table, True), {"a": 1.5}, True) == {"a": 1}


def test_a_trial_scored_twice_is_refused():
    table = score_table({"a": np.array([1.0, 2.0])}, np.arange(2), np.arange(2))
    with pytest.raises(ValueError, match="more than one score of trial 't0000'"):
        compare_pairs(pd.concat([table, table]), True)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, np.nan, 0.5])[[0, 2]] == pytest.approx([0.04, 0.5])
    assert np.isnan(holm([0.02, np.nan, 0.5])[1])
    assert holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_never_lowers(p):
    corrected = holm(p)
    assert (corrected >= np.array(p) - 1e-12).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()


def comparisons(*better: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame([(win, lose, win) for win, lose in better], columns=["first", "second", "better"])


def test_ranks_begin_anew_only_where_everything_above_is_better():
    means = {"c": 0.5, "a": 0.9, "b": 0.7}
    assert ranks(comparisons(), means, True) == {"a": 1, "b": 1, "c": 1}
    assert ranks(comparisons(("a", "b"), ("a", "c"), ("b", "c")), means, True) == {"a": 1, "b": 2, "c": 3}
    assert ranks(comparisons(("a", "c"), ("b", "c")), means, True) == {"a": 1, "b": 1, "c": 3}
    assert ranks(comparisons(("a", "c")), means, True) == {"a": 1, "b": 1, "c": 1}
    assert ranks(comparisons(("c", "b"), ("c", "a")), means, False) == {"c": 1, "b": 2, "a": 2}


def test_more_systems_with_a_clear_order_get_the_ranks_of_their_order():
    generator = np.random.default_rng(8)
    rows, columns = crossed_trials(generator, 12, 12, 72)
    shared = generator.normal(0, 1, 12)[rows]
    systems = {name: shared + level + generator.normal(0, 0.3, 72) for name, level in [("x", 0), ("y", 3), ("z", 3)]}
    table = score_table(systems, rows, columns)
    assert ranks(compare_pairs(table, True), table.groupby("system")["value"].mean().to_dict(), True) == {
        "y": 1,
        "z": 1,
        "x": 3,
    }
