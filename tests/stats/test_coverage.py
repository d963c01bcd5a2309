"""What intervals and tests promise: a short version of interval_coverage.py, which has all designs."""

from __future__ import annotations

import pytest

from tests.stats.interval_coverage import DESIGNS, EFFECTS, Effects, measure

QUICK = "12 seen and 4 unseen"
NEW = "26 seen and 8 unseen"
EXPERIMENTS = 800


def covered(design: str, effects: Effects) -> tuple[float, float]:
    (name,) = [name for name in DESIGNS if name.startswith(design)]
    found = measure(name, effects, EXPERIMENTS, 100)
    return found.covered, found.different


@pytest.mark.parametrize("effect", ["one effect", "half correlated", "separate effects"])
@pytest.mark.parametrize("design", [f"{QUICK}: all", f"{QUICK}: seen->seen", f"{QUICK}: unseen->unseen"])
def test_intervals_cover_whether_or_not_a_speaker_is_one_in_both_roles(design: str, effect: str) -> None:
    share, different = covered(design, EFFECTS[effect])
    assert 0.92 <= share <= 0.98
    assert different <= 0.07
