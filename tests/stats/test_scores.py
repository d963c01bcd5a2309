"""Intervals, comparisons and ranks; simulations check what they promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vcbench.stats.scores import compare_pairs, holm, ranks, weighted_mean_interval

finite = st.floats(-1e3, 1e3, allow_nan=False)


def crossed_trials(
    generator: np.random.Generator, sources: int, targets: int, trials: int
) -> tuple[np.ndarray, np.ndarray]:
    """Source and target speakers of trials that use each cell of the grid as evenly as possible, in random order."""
    cells = np.concatenate([generator.permutation(sources * targets) for _ in range(-(-trials // (sources * targets)))])
    return cells[:trials] // targets, cells[:trials] % targets


def names(codes: np.ndarray) -> list[str]:
    return [f"p{code}" for code in codes]


def coverage(
    sources: int, targets: int, trials: int, effects: tuple[float, float, float], skewed: bool = False
) -> float:
    """Share of 600 simulations whose 95% interval contains the true mean, which is 0."""
    generator = np.random.default_rng(sources * 1000 + targets * 100 + trials)
    hits = 0
    for simulation in range(600):
        rows, columns = crossed_trials(generator, sources, targets, trials)
        noise = generator.exponential(1, trials) - 1 if skewed else generator.normal(0, 1, trials)
        values = (
            effects[0] * generator.normal(0, 1, sources)[rows]
            + effects[1] * generator.normal(0, 1, targets)[columns]
            + effects[2] * noise
        )
        weights = generator.integers(3, 15, trials)
        interval = weighted_mean_interval(values, weights, names(rows), names(columns), draws=500, seed=simulation % 3)
        hits += interval.low <= 0 <= interval.high
    return hits / 600


@pytest.mark.parametrize(
    ("trials", "effects", "skewed"),
    [
        (72, (1, 1, 1), False),
        (144, (1, 1, 1), False),
        (36, (1, 1, 1), False),
        (72, (0.3, 0.3, 1), False),
        (72, (0.3, 0.3, 1), True),
        (144, (1, 0, 0.5), False),
        (144, (0, 1, 1), False),
    ],
)
def test_intervals_of_clustered_data_cover_their_nominal_share(trials, effects, skewed):
    assert 0.92 <= coverage(12, 12, trials, effects, skewed) <= 0.97


@pytest.mark.parametrize(("sources", "targets", "trials"), [(12, 4, 48), (4, 4, 12)])
def test_intervals_with_few_speakers_do_not_promise_too_much(sources, targets, trials):
    assert 0.92 <= coverage(sources, targets, trials, (1, 1, 1)) <= 0.985


def test_intervals_of_single_trials_would_be_far_too_narrow_here():
    """The simulation can fail: the textbook interval over trials covers much less on the same data."""
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(600):
        rows, columns = crossed_trials(generator, 12, 12, 144)
        values = generator.normal(0, 1, 12)[rows] + generator.normal(0, 1, 12)[columns] + generator.normal(0, 1, 144)
        hits += abs(values.mean()) <= 1.96 * values.std(ddof=1) / 12
    assert hits / 600 < 0.75


def score_table(values: dict[str, np.ndarray], rows: np.ndarray, columns: np.ndarray) -> pd.DataFrame:
    tables = [
        pd.DataFrame(
            {
                "system": system,
                "trial": [f"t{index:04d}" for index in range(len(rows))],
                "condition": "seen->seen",
                "value": numbers,
                "weight": 1.0,
                "source_speaker": names(rows),
                "target_speaker": names(columns),
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


def test_equal_systems_are_rarely_called_different():
    generator = np.random.default_rng(1)
    called = sum(
        compare_pairs(simulate_pair(generator, 0.0), True, draws=200)["better"].ne("").item() for _ in range(400)
    )
    assert 0.01 <= called / 400 <= 0.07


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
        ([1.0, np.nan], None, None, "1 of 2 values are not finite"),
        ([1.0, 2.0], [1.0], None, "one weight for each"),
        ([1.0, 2.0], [0.0, 0.0], None, "at least one must be above zero"),
        ([1.0, 2.0], [1.0, -1.0], None, "not negative"),
        ([1.0, 2.0], None, ["a"], "a speaker for each of 2 values; got 1"),
    ],
)
def test_unusable_scores_are_refused(values, weights, speakers, message):
    with pytest.raises(ValueError, match=message):
        weighted_mean_interval(values, weights, speakers)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(finite, st.sampled_from("abcd"), st.sampled_from("wxyz")), min_size=1, max_size=20))
def test_interval_properties(trials):
    values, sources, targets = (list(part) for part in zip(*trials, strict=True))
    interval = weighted_mean_interval(values, None, sources, targets, draws=100)
    order = np.random.default_rng(0).permutation(len(values))
    again = weighted_mean_interval(
        np.array(values)[order] + 5, None, [sources[i] for i in order], [targets[i] for i in order], draws=100
    )
    assert again.mean == pytest.approx(interval.mean + 5, abs=1e-6)
    if not np.isnan(interval.low):
        assert min(values) <= interval.low <= interval.high <= max(values)


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
