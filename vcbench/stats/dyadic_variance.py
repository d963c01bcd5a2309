"""The variance of a weighted mean over trials that share speakers, with a correction for few speakers.

With u the influence of a trial on the estimate, S its sum over the trials of a speaker in either role, and D its sum over
the trials of a pair of speakers, the dyadic cluster-robust variance is the sum of S² over speakers minus the sum of D² over
pairs of two, which the first sum has twice. Where no speaker has both roles it is the two-way clustered variance.

It is too small for few speakers, and has few degrees of freedom. Both follow from a working model (Bell and McCaffrey
2002; Imbens and Kolesár 2016; Pustejovsky and Tipton 2018): each speaker has one effect, the same in both roles, and all
effects have one variance. The variance is multiplied by what makes it unbiased under this model, a factor that hardly
depends on the model; Satterthwaite's degrees of freedom are those under the model.

Where speakers matter little the difference of the two sums can be near zero or below by chance. So there is a second
error, with the pairs as independent clusters, and the wider interval of the two counts.

`docs/statistics.md` has the coverage and the references.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from vcbench.stats.clusters import Clusters, Floats

ENOUGH_FREEDOM = 1 + 1e-6  # more than one, whatever is rounded


class Error(NamedTuple):
    """A standard error with its degrees of freedom."""

    size: float
    freedom: float


class Correction(NamedTuple):
    """What makes a sum of squares an unbiased variance, and its degrees of freedom."""

    factor: float
    freedom: float


def errors(influence: Floats, masses: Floats, clusters: Clusters) -> tuple[Error, ...]:
    """Errors of an estimate; the one that gives the wider interval counts. None if there is only one cluster.

    Args:
        influence: (pairs,) the sum over each pair's rows.
        masses: (pairs,) each pair's share of the weights.
    """
    if (masses > 0).sum() < 2:
        return ()
    for_speakers, for_pairs = _corrections(clusters, masses.tobytes())
    found = [error_of(float((influence**2).sum()), for_pairs)]
    if for_speakers is not None:
        repeated = float((influence[clusters.second < clusters.speakers] ** 2).sum())
        found.append(error_of(float((clusters.by_speaker(influence) ** 2).sum()) - repeated, for_speakers))
    return tuple(found)


def error_of(squares: float, correction: Correction) -> Error:
    return Error(math.sqrt(max(squares, 0.0) * correction.factor), correction.freedom)


@lru_cache(maxsize=256)
def _corrections(clusters: Clusters, masses: bytes) -> tuple[Correction | None, Correction]:
    """Those of the speakers' and of the pairs' sums of squares.

    Where the speakers' has no more than one degree of freedom, there are too few speakers for it. Then the pairs' is used
    under the model of speakers.
    """
    shares = np.frombuffer(masses)
    if not clusters.crossed:
        return None, of_pairs(shares)
    codes = np.arange(clusters.speakers)[:, None]
    incidence = ((codes == clusters.first) | (codes == clusters.second)).astype(float)  # (speakers, pairs)
    exposure = incidence @ shares
    influences = incidence * shares - np.outer(exposure, shares)  # of each speaker's effect through each pair
    sums = influences @ incidence.T
    repeated = influences[:, clusters.second < clusters.speakers]
    variance = float((exposure**2).sum())
    for_speakers = of_form(sums.T @ sums - repeated @ repeated.T, variance)
    if for_speakers.freedom > ENOUGH_FREEDOM:
        return for_speakers, of_pairs(shares)
    return None, of_form(influences @ influences.T, variance)


def of_form(form: Floats, variance: float) -> Correction:
    """Of a quadratic form in speakers' effects of variance 1, to make `variance` of it."""
    mean, norm = float(np.trace(form)), float((form**2).sum())
    return Correction(variance / mean, mean**2 / norm) if mean > 0 else Correction(math.inf, 0.0)


def of_pairs(shares: Floats) -> Correction:
    """Under a model of pairs with independent effects of one variance; a plain mean's is n / (n - 1) with n - 1."""
    second, third, fourth, fifth = (float((shares**power).sum()) for power in (2, 3, 4, 5))
    mean = second - 2 * third + second**2
    norm = fourth - 4 * fifth + 4 * second * fourth + 2 * third**2 - 4 * second**2 * third + second**4
    return Correction(second / mean, mean**2 / norm)
