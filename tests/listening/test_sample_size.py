"""The planner: its power is what simulated tests find, and a pilot's variances are recovered."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.simulated_designs import SPREAD, simulate
from vcbench.listening.analysis.planning import plan
from vcbench.listening.analysis.sample_size import (
    Asked,
    Variances,
    from_pilot,
    listeners_needed,
    power,
)
from vcbench.listening.analysis.sample_size import (
    simulate as try_out,
)
from vcbench.listening.kinds import ListeningError


@pytest.mark.parametrize(
    ("asked", "spread"),
    [
        (Asked("mos", 0.3, 20, 10), Variances(0.1, 0.05, 0.6)),
        (Asked("mos", 0.5, 8, 8), Variances(0.1, 0.1, 0.6)),
        (Asked("mos", 0.5, 12, 6, comparisons=6), Variances(0.05, 0.0, 0.6)),
        (Asked("cmos", 0.4, 20, 10, power=0.9), Variances(0.3, 0.05, 1.0)),
    ],
)
def test_simulated_tests_have_the_power(asked: Asked, spread: Variances) -> None:
    listeners = listeners_needed(asked, spread)
    claimed = power(asked, spread, listeners)
    assert claimed >= asked.power > power(asked, spread, listeners - asked.items // asked.each)
    assert listeners * asked.each % asked.items == 0
    assert try_out(asked, spread, listeners, 500) == pytest.approx(claimed, abs=0.06)  # 3 standard errors


def test_a_pilots_variances_are_recovered() -> None:
    found = np.mean([from_pilot(simulate("acr", seed, 24, 16), "acr") for seed in range(6)], axis=0)
    assert found[:2] == pytest.approx([SPREAD["listener"] ** 2, SPREAD["item"] ** 2], rel=0.35)
    assert found[2] == pytest.approx(SPREAD["rest"] ** 2 + 1 / 12, rel=0.1)  # ratings are rounded
    of_pairs = from_pilot(simulate("cmos", 0, 24, 16), "cmos")
    assert of_pairs.residual == pytest.approx(2 * SPREAD["rest"] ** 2 + 1 / 12, rel=0.15)
    assert of_pairs.listener == pytest.approx(2 * SPREAD["listener"] ** 2, rel=0.5)
    with pytest.raises(ListeningError, match="too few to estimate variances"):
        from_pilot(simulate("acr", 0, 2, 1), "acr")


def test_the_plan_in_words() -> None:
    said = plan("mos", 0.3, 0.8, 0.05, 1, 20, 10, [], None, "0.1,0.05,0.6")
    assert said.startswith(
        "36 listeners who rate 10 of 20 clips of each system find a difference of 0.3 with a power of 0.80"
    )
    assert said.endswith("Build it with --test mos --items 20 --listeners 36 --per-item 18.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variances": None}, "Give a pilot with --pilot ANSWERS --key KEY, or --variances"),
        ({"variances": "1,2"}, "three numbers.*received '1,2'"),
        ({"variances": "1,2,x"}, "three numbers"),
        ({"variances": "0,0,0"}, "none is below 0, and one is above"),
        ({"difference": 0.0}, "must not be 0"),
        ({"each": 30}, "a listener rates from 1 to all of them"),
        ({"variances": "0.1,5,0.6"}, "5000 listeners would not find .* Take more items"),
        ({"test": "pesq"}, "Unknown test"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes: dict[str, object], message: str) -> None:
    asked: dict[str, object] = {
        "test": "mos", "difference": 0.3, "wanted": 0.8, "alpha": 0.05, "comparisons": 1, "items": 20, "each": None, "pilot": [],
        "key": None, "variances": "0.1,0.05,0.6",
    }  # fmt: skip
    with pytest.raises(ListeningError, match=message):
        plan(**(asked | changes))  # type: ignore[arg-type]
