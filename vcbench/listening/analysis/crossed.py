"""Standard errors of means and differences of ratings, which share listeners and items; for many systems at once.

The errors are those of `vcbench.stats.dyadic_variance`, whose matrices have a row per listener and item, and a column per
rating. Here they are sums over a grid of listeners and items, so that the differences of 60 systems take seconds. The
draws that divide an interval are taken once for all systems.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vcbench.stats.bootstrap import Bootstrap, multiplicities
from vcbench.stats.clusters import Codes, Floats
from vcbench.stats.dyadic_variance import ENOUGH_FREEDOM, Correction, Error, error_of, of_form, of_pairs

CHUNK = 2_000_000  # weights of ratings held at a time


@dataclass(frozen=True, eq=False)
class Group:
    """The ratings of one system, or of one pair of systems.

    Attributes:
        estimate: their mean.
        shares, influence: (listeners, items) of each cell: its share of the ratings, and what it adds to the mean.
        values: (values,) that occur, ascending.
        drawn: (draws, values) how often each of them is drawn.
    """

    estimate: float
    shares: Floats
    influence: Floats
    values: Floats
    drawn: Floats

    def mean(self) -> Bootstrap:
        return Bootstrap(self.estimate, errors(self.influence, self.shares), self._deviations())

    def minus(self, other: Group) -> Bootstrap:
        """The difference of two means."""
        shares, influence = (self.shares + other.shares) / 2, self.influence - other.influence
        deviations = self._means() - other._means() - (self.estimate - other.estimate)
        kept = deviations[np.isfinite(deviations)]
        return Bootstrap(self.estimate - other.estimate, errors(influence, shares), kept)

    def median(self, level: float) -> tuple[float, float]:
        """The percentile interval of the median; it moves in steps, so it is not stretched as that of a mean is."""
        below = self.drawn.cumsum(1)
        half = below[:, -1:] / 2
        lower, upper = (self.values[side.argmax(1)] for side in (below >= half, below > half))
        medians = ((lower + upper) / 2)[half[:, 0] > 0]  # a draw may contain no rating
        if not len(medians):
            return np.nan, np.nan
        low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def _means(self) -> Floats:
        with np.errstate(invalid="ignore"):  # a draw that meets no rating is 0 / 0, and is left out
            means: Floats = self.drawn @ self.values / self.drawn.sum(1)
        return means

    def _deviations(self) -> Floats:
        deviations = self._means() - self.estimate
        return deviations[np.isfinite(deviations)]


class Grid:
    """The listeners and items of a test, and draws of both.

    Args:
        listener, item: of each rating.
        draws: how many; each takes as many listeners and items as there are, with replacement.
    """

    def __init__(self, listener: Sequence[str], item: Sequence[str], draws: int, seed: int) -> None:
        self.rows, listeners = pd.factorize(np.asarray(listener), sort=True)
        self.columns, items = pd.factorize(np.asarray(item), sort=True)
        self.shape = len(listeners), len(items)
        counts = multiplicities(draws, sum(self.shape), seed)[:, :-1].astype(np.float32)
        self._listeners, self._items = np.split(counts, [self.shape[0]], axis=1)
        kept = _roles(np.bincount(self._cell(slice(None)), minlength=np.prod(self.shape)).reshape(self.shape) > 0)
        if not kept[0]:
            self._listeners = np.ones_like(self._listeners)
        if not kept[1]:
            self._items = np.ones_like(self._items)

    def _cell(self, chosen: slice | Codes) -> Codes:
        return self.rows[chosen] * self.shape[1] + self.columns[chosen]

    def group(self, chosen: Codes, ratings: Floats) -> Group:
        """The ratings (n,) at these places (n,) of the table."""
        cells, size = self._cell(chosen), int(np.prod(self.shape))
        count, estimate = len(ratings), float(ratings.mean())
        shares = np.bincount(cells, minlength=size).reshape(self.shape) / count
        influence = np.bincount(cells, ratings - estimate, size).reshape(self.shape) / count
        values, drawn = self._drawn(chosen, ratings)
        return Group(estimate, shares, influence, values, drawn)

    def _drawn(self, chosen: Codes, ratings: Floats) -> tuple[Floats, Floats]:
        order = np.argsort(ratings, kind="stable")
        values, starts = np.unique(ratings[order], return_index=True)
        rows, columns = self.rows[chosen][order], self.columns[chosen][order]
        step = max(1, CHUNK // len(ratings))
        parts = [
            np.add.reduceat(
                self._listeners[at : at + step, rows] * self._items[at : at + step, columns], starts, axis=1
            )
            for at in range(0, len(self._listeners), step)
        ]
        return values, np.concatenate(parts).astype(float)


def _roles(filled: np.ndarray) -> tuple[bool, bool]:
    """Whether listeners are clusters, and whether items are, where these cells (listeners, items) have ratings.

    As in `vcbench.stats.clusters`: not those of whom there is only one, nor the items (listeners) of which each has only
    one listener (item).
    """
    cells, rows, columns = int(filled.sum()), int(filled.any(1).sum()), int(filled.any(0).sum())
    if rows > 1 and cells == columns:
        return True, False
    if columns > 1 and cells == rows:
        return False, True
    return rows > 1, columns > 1


def errors(influence: Floats, shares: Floats) -> tuple[Error, ...]:
    """As `vcbench.stats.dyadic_variance.errors`, from (listeners, items); none if there is only one cluster."""
    roles = _roles(shares > 0)
    if not all(roles):
        axis = 1 if roles[0] else 0
        own = shares.sum(axis) if any(roles) else shares.ravel()
        summed = influence.sum(axis) if any(roles) else influence.ravel()
        if (own > 0).sum() < 2:
            return ()
        return (error_of(float((summed**2).sum()), of_pairs(own[own > 0])),)
    squares = float((influence**2).sum())
    sums = float((influence.sum(0) ** 2).sum() + (influence.sum(1) ** 2).sum())
    for_clusters = _of_clusters(shares)
    if for_clusters.freedom > ENOUGH_FREEDOM:
        for_cells = of_pairs(shares[shares > 0])
        return error_of(squares, for_cells), error_of(sums - squares, for_clusters)
    return (error_of(squares, _of_few(shares)),)


def _of_clusters(shares: Floats) -> Correction:
    """The correction of the clustered sum of squares under the working model.

    With e the shares of listeners and items, and A the symmetric matrix that has them on its diagonal and the cells'
    shares beside it, the quadratic form is S - w e' - e w' + k e e', where S = A² without the squares of the cells
    themselves, w = A e - q, q the sums of the cells' squares, and k = e'e - sum of the cells' squares.
    """
    squared = shares**2
    rows, columns = shares.sum(1), shares.sum(0)
    row_squares, column_squares = squared.sum(1), squared.sum(0)
    exposure, squares = np.concatenate([rows, columns]), np.concatenate([row_squares, column_squares])

    def times(vector: Floats) -> Floats:  # A
        first, second = vector[: len(rows)], vector[len(rows) :]
        return np.concatenate([rows * first + shares @ second, shares.T @ first + columns * second])

    def without(vector: Floats) -> Floats:  # the cells' squares
        first, second = vector[: len(rows)], vector[len(rows) :]
        return np.concatenate([row_squares * first + squared @ second, squared.T @ first + column_squares * second])

    gram = shares @ shares.T if len(rows) <= len(columns) else shares.T @ shares
    between = (rows[:, None] + columns) * shares - squared
    apart = exposure**2 - squares  # what the diagonal of S adds to that of A's off-diagonal blocks, squared
    norm = 2 * (gram**2).sum() + 2 * (apart * squares).sum() + (apart**2).sum() + 2 * (between**2).sum()
    variance = float(exposure @ exposure)
    w, k = times(exposure) - squares, variance - float(squared.sum())
    form = [times(times(vector)) - without(vector) for vector in (exposure, w)]
    we, ww = float(w @ exposure), float(w @ w)
    norm += -4 * float(exposure @ form[1]) + 2 * k * float(exposure @ form[0])
    norm += 2 * ww * variance + 2 * we**2 - 4 * k * we * variance + k**2 * variance**2
    mean = float((exposure**2).sum()) - 2 * we + k * variance
    return Correction(variance / mean, mean**2 / norm) if mean > 0 and norm > 0 else Correction(np.inf, 0.0)


def _of_few(shares: Floats) -> Correction:
    """The correction of the cells' squares under the model of clusters, for too few of these."""
    squared = shares**2
    exposure = np.concatenate([shares.sum(1), shares.sum(0)])
    squares = np.concatenate([squared.sum(1), squared.sum(0)])
    form = np.diag(squares)
    form[: len(shares), len(shares) :] = squared
    form[len(shares) :, : len(shares)] = squared.T
    form += squared.sum() * np.outer(exposure, exposure) - np.outer(exposure, squares) - np.outer(squares, exposure)
    return of_form(form, float(exposure @ exposure))
