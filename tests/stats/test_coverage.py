"""What intervals and tests promise: a short version of `interval_coverage.py`, which has all designs and more experiments."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stats.interval_coverage import DESIGNS, EFFECTS, LISTS, Effects, Found, measure, trial_list

QUICK, LARGER = "12 seen and 4 unseen", "26 seen and 8 unseen"
EXPERIMENTS = 500


def measured(design: str, effects: Effects) -> Found:
    (name,) = [name for name in DESIGNS if name.startswith(design)]
    return measure(name, effects, EXPERIMENTS, draws=100)


@pytest.mark.parametrize(
    ("design", "effect"),
    [
        (f"{QUICK}: all", "one effect"),
        (f"{QUICK}: all", "half correlated"),
        (f"{QUICK}: all", "separate effects"),
        (f"{QUICK}: all", "one effect, weights"),
        (f"{QUICK}: seen->seen", "one effect"),
        (f"{QUICK}: unseen->unseen", "one effect"),
        (f"{QUICK}: unseen->unseen", "half correlated"),
        (f"{LARGER}: all, 36", "one effect"),
        (f"{LARGER}: unseen->unseen, 60", "one effect"),
        ("12 sources x 12 targets, 72", "separate effects"),
        ("4 sources x 4 targets", "separate effects"),
    ],
)
def test_intervals_cover_and_equal_systems_are_rarely_called_different(design: str, effect: str) -> None:
    found = measured(design, EFFECTS[effect])
    assert 0.92 <= found.covered <= 0.97, found
    assert 0.01 <= found.different <= 0.07, found


@pytest.mark.parametrize(
    ("design", "effect"),
    [
        (f"{QUICK}: all", "no effect"),
        (f"{QUICK}: seen->seen", "separate effects"),
        (f"{QUICK}: unseen->unseen", "no effect"),
        ("12 sources x 12 targets, 144", "no effect"),
        ("12 speakers, unbalanced", "one effect"),
    ],
)
def test_where_intervals_cover_more_they_are_not_much_too_wide(design: str, effect: str) -> None:
    """Where speakers matter little, or a few of them have most trials."""
    found = measured(design, EFFECTS[effect])
    assert 0.94 <= found.covered <= 0.99, found
    assert found.different <= 0.06, found
    assert found.width < 3, found


def test_intervals_of_single_trials_would_be_far_too_narrow_here() -> None:
    """The simulation can fail: the textbook interval over trials covers much less on the same data."""
    (name,) = [name for name in DESIGNS if name.startswith(f"{QUICK}: all")]
    generator = np.random.default_rng(0)
    hits = 0
    for experiment in range(400):
        values = EFFECTS["one effect"].draw(generator, trial_list(name, experiment % LISTS))
        hits += abs(values.mean()) <= 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert hits / 400 < 0.75
