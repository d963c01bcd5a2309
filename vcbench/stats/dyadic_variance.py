"""The variance of a weighted mean over trials that share speakers, with a correction for few speakers.

With u the influence of a trial on the estimate, S its sum over the trials of a speaker in either role, and D its sum over
the trials of a pair of speakers, the dyadic cluster-robust variance is the sum of S² over speakers minus the sum of D² over
pairs of two, which the first sum has twice. Where no speaker has both roles it is the two-way clustered variance.

It is too small for few speakers, and has few degrees of freedom. Both follow from a working model (Bell and McCaffrey
2002; Imbens and Kolesár 2016; Pustejovsky and Tipton 2018): effects of speakers, the same in both roles, and effects of
pairs, all with one variance. The variance is multiplied by what makes it unbiased under this model; that factor hardly
depends on the model. Satterthwaite's degrees of freedom are those of the model too.

Where speakers matter little the difference of the two sums can be near zero or below by chance. So there is a second
error, with the pairs as independent clusters, and the wider interval of the two counts.

`docs/statistics.md` has the coverage and the references.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcbench.stats.clusters import Clusters

Floats = NDArray[np.float64]
LEAST_FREEDOM = 1.0


class Error(NamedTuple):
    """A standard error with its degrees of freedom."""

    size: float
    freedom: float


class _Correction(NamedTuple):
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
    found = [_error(float((influence**2).sum()), for_pairs)]
    if for_speakers is not None:
        repeated = float((influence[clusters.second < clusters.speakers] ** 2).sum())
        found.append(_error(float((speaker_sums(influence, clusters) ** 2).sum()) - repeated, for_speakers))
    return tuple(found)


def _error(squares: float, correction: _Correction) -> Error:
    return Error(math.sqrt(max(squares, 0.0) * correction.factor), correction.freedom)


def speaker_sums(values: Floats, clusters: Clusters) -> Floats:
    """(speakers,) the sum over each speaker's pairs."""
    size = clusters.speakers + 1
    return (np.bincount(clusters.first, values, size) + np.bincount(clusters.second, values, size))[:-1]


@lru_cache(maxsize=256)
def _corrections(clusters: Clusters, masses: bytes) -> tuple[_Correction | None, _Correction]:
    """Those of the speakers' and of the pairs' sums of squares.

    Where the speakers' has less than `LEAST_FREEDOM`, there are too few of them for it: then the pairs' is multiplied by
    what would make it unbiased if all effects were speakers'.
    """
    shares = np.frombuffer(masses)
    for_pairs = _independent(shares)
    if not clusters.crossed:
        return None, for_pairs
    incidence = _incidence(clusters)
    exposure = incidence @ shares
    sums = _centred(incidence, shares)
    for_speakers = _dyadic(incidence, sums, shares, clusters.second < clusters.speakers)
    if for_speakers.freedom >= LEAST_FREEDOM:
        return for_speakers, for_pairs
    return None, _Correction(float((exposure**2).sum() / (sums**2).sum()), for_pairs.freedom)


def _incidence(clusters: Clusters) -> Floats:
    """(speakers, pairs): 1 where the speaker is one of the pair."""
    codes = np.arange(clusters.speakers)[:, None]
    return ((codes == clusters.first) | (codes == clusters.second)).astype(float)


def _centred(matrix: Floats, shares: Floats) -> Floats:
    """`matrix` (m, pairs) times the matrix that turns pairs' values into their influences on the mean."""
    return matrix * shares - np.outer(matrix @ shares, shares)


def _independent(shares: Floats) -> _Correction:
    """Of the sum of squared influences of independent clusters with these shares of the weight."""
    expected, norm = _squares(shares, np.ones(len(shares), dtype=bool))
    return _Correction(float((shares**2).sum()) / expected, expected**2 / norm)


def _squares(shares: Floats, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean, and half the variance, of the sum of squared influences of the chosen clusters, all with variance 1."""
    second = float((shares**2).sum())
    part = shares[chosen]
    moment = [float((part**power).sum()) for power in range(5)]
    mean = moment[2] - 2 * moment[3] + second * moment[2]
    half = moment[4] + 2 * (second * moment[4] - 2 * float((part**5).sum()))
    half += 2 * moment[2] * moment[4] + 2 * moment[3] ** 2 - 4 * second * moment[2] * moment[3] + (second * moment[2]) ** 2
    return mean, half


def _dyadic(incidence: Floats, sums: Floats, shares: Floats, two: NDArray[np.bool_]) -> _Correction:
    """Of the squares of speakers' sums less those of pairs of two, if speakers and pairs have effects with variance 1.

    The difference is a quadratic form in the pairs' values. Its mean and variance follow from the traces of the form's
    matrix on the speakers' effects, of its square, and of the same for pairs' effects and for both.
    """
    of_speakers = sums @ incidence.T
    on_speakers = of_speakers.T @ of_speakers - sums[:, two] @ sums[:, two].T
    mixed = of_speakers.T @ sums - _centred(sums * two, shares)
    repeated, repeated_norm = _squares(shares, two)
    pairs_norm = ((sums @ sums.T) ** 2).sum() - 2 * (_centred(sums, shares)[:, two] ** 2).sum() + repeated_norm
    expected = np.trace(on_speakers) + (sums**2).sum() - repeated
    norm = (on_speakers**2).sum() + 2 * (mixed**2).sum() + pairs_norm
    variance = ((incidence @ shares) ** 2).sum() + (shares**2).sum()
    if expected <= 0:
        return _Correction(math.inf, 0.0)
    return _Correction(float(variance / expected), float(expected**2 / norm))
