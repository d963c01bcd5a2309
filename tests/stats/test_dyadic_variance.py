"""The variance over speakers in two roles, against what follows from its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vcbench.stats.clusters import Clusters, clusters
from vcbench.stats.dyadic_variance import errors


def complete(speakers: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(speakers) for j in range(speakers) if i != j]


def found_errors(values: np.ndarray, pairs: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """Variances with degrees of freedom."""
    found = clusters(len(pairs), *([str(pair[role]) for pair in pairs] for role in (0, 1)))
    influence = (values - values.mean()) / len(values)
    sizes = errors(found.by_pair(influence), found.by_pair(np.full(len(values), 1 / len(values))), found)
    return [(error.size**2, error.freedom) for error in sizes]


def shares_a_speaker(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array([[bool(set(one) & set(other)) for other in pairs] for one in pairs], dtype=float)


@pytest.mark.parametrize("speakers", [5, 8])
def test_the_variance_is_that_of_all_trials_that_share_a_speaker(speakers: int) -> None:
    """Aronow, Samii and Assenova 2015: the sum of products over such trials; here times its factor for all pairs."""
    pairs = complete(speakers)
    effects = np.random.default_rng(0).normal(0, 1, speakers)
    values = np.array([effects[i] + effects[j] for i, j in pairs]) + np.random.default_rng(1).normal(0, 1, len(pairs))
    influence = (values - values.mean()) / len(values)
    plain = influence @ shares_a_speaker(pairs) @ influence
    factor = speakers * (speakers - 1) / ((speakers - 2) * (speakers - 3))
    assert found_errors(values, pairs)[1] == pytest.approx((plain * factor, speakers - 1))


@pytest.mark.parametrize("pairs", [complete(6), [(i, (i + step) % 8) for step in (1, 3) for i in range(8)]])
def test_it_is_unbiased_for_effects_in_one_role_in_both_and_none(pairs: list[tuple[int, int]]) -> None:
    generator = np.random.default_rng(2)
    source, target = np.array(pairs).T
    for own, other, noise, bias in ((1, 1, 0, 0.05), (1, 0, 0, 0.15), (0, 0, 1, 0.15)):
        effects = generator.normal(0, 1, (4000, source.max() + 1))
        samples = own * effects[:, source] + other * effects[:, target]
        samples = samples + noise * generator.normal(0, 1, (4000, len(pairs)))
        centred = (samples - samples.mean(1, keepdims=True)) / len(pairs)
        signed = factor(pairs) * ((centred @ shares_a_speaker(pairs)) * centred).sum(1)
        assert np.mean(signed) == pytest.approx(samples.mean(1).var(), rel=bias)


def factor(pairs: list[tuple[int, int]]) -> float:
    """By which the variance is multiplied."""
    values = np.array([i + j for i, j in pairs], dtype=float)
    influence = (values - values.mean()) / len(values)
    return found_errors(values, pairs)[1][0] / float(influence @ shares_a_speaker(pairs) @ influence)


def test_without_speakers_it_is_the_textbook_error() -> None:
    values = np.random.default_rng(3).normal(0, 1, 9)
    rows = clusters(9)
    ((size, freedom),) = errors((values - values.mean()) / 9, np.full(9, 1 / 9), rows)
    assert (size, freedom) == pytest.approx((stats.sem(values), 8))


def test_unequal_weights_leave_fewer_degrees_of_freedom() -> None:
    """As for the mean of clusters of unequal size: Carter, Schnepel and Steigerwald 2017."""
    shares = np.array([0.5, 0.3, 0.1, 0.05, 0.05])
    values = np.random.default_rng(4).normal(0, 1, (20000, 5))
    influences = (values - (values @ shares)[:, None]) * shares
    found = [errors(influence, shares, clusters(5))[0] for influence in influences]
    assert np.mean([error.size**2 for error in found]) == pytest.approx((shares**2).sum(), rel=0.03)
    variances = np.array([error.size**2 for error in found])
    assert found[0].freedom == pytest.approx(2 * variances.mean() ** 2 / variances.var(), rel=0.06)


def test_three_speakers_still_have_an_error() -> None:
    """All sums of speakers and pairs cancel; what is left is the pairs' error, as large as speakers' effects make it."""
    generator = np.random.default_rng(5)
    pairs = complete(3)
    variances, means = [], []
    for _ in range(4000):
        effects = generator.normal(0, 1, 3)
        values = np.array([effects[i] + effects[j] for i, j in pairs])
        ((variance, freedom),) = found_errors(values, pairs)
        variances.append(variance)
        means.append(values.mean())
    assert freedom == pytest.approx(2)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.1)


def test_one_cluster_has_none() -> None:
    one = Clusters(np.zeros(3, np.intp), np.zeros(1, np.intp), np.ones(1, np.intp), 1)
    assert errors(np.zeros(1), np.ones(1), one) == ()
