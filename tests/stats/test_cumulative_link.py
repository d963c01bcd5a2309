"""The cumulative-link mixed model: R's figures, exact slopes, and 300 simulated tests with known effects."""

from __future__ import annotations

import numpy as np
import pytest

from vcbench.stats.cumulative_link import Likelihood, fit

# 350 ratings: four systems, 14 listeners, nine items each, "-" for none.
RATINGS = (
    "-5--4-533 532-545-5 23---5233 ---24--21 -4-5-5-43 543434524 ----231-- "
    "33-433-25 25--2113- --33324-5 -3-----15 3143333-4 551-31-13 222-354--",
    "242232354 42-3--3-5 25-13-333 4-3331323 544425324 --5332-55 --33-4435 "
    "3-13254-- 431542322 -5354544- 32333-245 4-5533435 245124133 -5323--13",
    "3--445--- -4554345- -45---5-4 4253-323- 5-544534- -45-254-5 4-333-3-5 "
    "45554-4-4 4--54-4-3 345334-35 --555---- 3452--55- 45-35341- 353-3-553",
    "----545-4 --55-2-45 3-4-4---- 35--1424- 3545-454- 4--554-55 -34-44435 "
    "-43---45- 4555-4-53 4445-5-3- 2552335-- -5-35-54- 554-45--4 35441543-",
)

# R 4.2.2, ordinal 2022.11-16 (Debian 12), with `rating` and `system` as factors:
# clmm(rating ~ system + (1|listener) + (1|item), control = clmm.control(gradTol = 1e-6))
R = {
    "effects": [0.18866135, 1.31103045, 1.53371817],
    "errors": [0.27725327, 0.29543919, 0.30360829],
    "thresholds": [-2.42231604, -1.05025607, 0.54042974, 1.80383085],
    "deviations": [0.44277475, 0.29473836],
}
R_LOG_LIKELIHOOD = -491.66387

THRESHOLDS = [-2.0, -0.7, 0.7, 2.0]
WORTH = np.array([0.0, 0.6, -0.4, 1.2])
DEVIATIONS = (0.8, 0.5)  # of listeners and items

Answers = tuple[np.ndarray, np.ndarray, list[np.ndarray]]


def published() -> Answers:
    """Categories, systems, and listeners and items of `RATINGS`."""
    cells = [
        (int(rating) - 1, system, listener, item)
        for system, row in enumerate(RATINGS)
        for listener, one in enumerate(row.split())
        for item, rating in enumerate(one)
        if rating != "-"
    ]
    category, system, listener, item = np.array(cells).T
    return category, system, [listener, item]


def simulated(seed: int, listeners: int = 20, items: int = 12) -> Answers:
    """Every listener rates every clip, by the model."""
    random = np.random.default_rng(seed)
    system, listener, item = (part.ravel() for part in np.indices((len(WORTH), listeners, items)))
    own = random.normal(0, DEVIATIONS[0], listeners)[listener] + random.normal(0, DEVIATIONS[1], items)[item]
    return np.digitize(WORTH[system] + own + random.logistic(size=len(own)), THRESHOLDS), system, [listener, item]


def test_the_fit_is_that_of_r() -> None:
    found = fit(*published())
    assert found is not None
    assert found.converged
    assert found.log_likelihood == pytest.approx(R_LOG_LIKELIHOOD, abs=1e-4)
    for name, expected in R.items():
        assert getattr(found, name) == pytest.approx(expected, abs=5e-5), name


@pytest.mark.parametrize("deviations", [(0.7, 0.3), (0.0, 1.0), (-0.4, 0.2)])
def test_the_slope_is_that_of_the_likelihood(deviations: tuple[float, float]) -> None:
    likelihood = Likelihood(*published())
    at = likelihood.start() + np.random.default_rng(0).normal(0, 0.2, 9)
    at[-2:] = deviations
    step = 1e-5 * np.eye(len(at))
    expected = [(likelihood.slope(at + one)[0] - likelihood.slope(at - one)[0]) / 2e-5 for one in step]
    assert likelihood.slope(at)[1] == pytest.approx(expected, abs=1e-5)


def test_two_categories_are_a_logistic_model() -> None:
    """Without intercepts of their own, the log odds of the counts."""
    category, system = np.repeat([0, 1, 0, 1], [30, 50, 45, 35]), np.repeat([0, 1], 80)
    found = fit(category, system, [np.arange(160) % 10, np.arange(160) % 8])
    assert found is not None
    assert found.deviations == pytest.approx([0, 0], abs=0.01)
    assert found.thresholds == pytest.approx([np.log(30 / 50)], abs=1e-3)
    assert found.effects == pytest.approx([np.log(35 / 45) - np.log(50 / 30)], abs=1e-3)
    assert found.errors == pytest.approx([np.sqrt(1 / 30 + 1 / 50 + 1 / 45 + 1 / 35)], rel=1e-3)


def test_infinite_odds_are_not_a_converged_fit() -> None:
    """All ratings of a system are the highest."""
    category, system, groups = simulated(0)
    found = fit(np.where(system == 3, category.max(), category), system, groups)
    assert found is None or not found.converged


@pytest.mark.slow
def test_intervals_contain_the_truth_and_the_rest_is_recovered() -> None:
    fits = [fit(*simulated(seed)) for seed in range(300)]
    found = [one for one in fits if one is not None and one.converged]
    assert len(found) == 300
    truth = WORTH[1:]
    covered = np.mean([np.abs(one.effects - truth) < 1.96 * one.errors for one in found])
    assert 0.92 <= covered <= 0.97
    assert np.mean([one.effects for one in found], 0) == pytest.approx(truth, abs=0.03)
    assert np.mean([one.thresholds for one in found], 0) == pytest.approx(THRESHOLDS, abs=0.1)
    assert np.mean([one.deviations for one in found], 0) == pytest.approx(DEVIATIONS, abs=0.05)
