"""A linear mixed model of ratings, ``rating ~ system + (1|listener) + (1|item)``.

statsmodels' MixedLM knows crossed effects only as variance components of one group with a row per rating, and needs many
minutes for the 26,000 ratings of a challenge. For two crossed intercepts the restricted likelihood depends on the sums of
ratings by system, listener and item alone (Bates et al. 2015, section 3.4), which takes milliseconds. The tests compare
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, sparse, stats
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from vcbench.stats.clusters import Floats

COMPONENTS = ("listener", "item")
HIGHEST = 1e3  # standard deviation of an effect over the residual's


@dataclass(frozen=True)
class MixedModel:
    """A fit by restricted maximum likelihood.

    Attributes:
        baseline: the system that the others are compared with; its own effect is the intercept.
        effects: `system, estimate, error, z, p, low, high`, the baseline first; p is from Wald's test, without correction.
        variances: of `listener`, `item` and `residual`, in squared rating units.
        converged: if false, do not rely on the figures.
    """

    baseline: str
    effects: pd.DataFrame
    variances: dict[str, float]
    converged: bool


class _Sums:
    """Cross-products of the systems' indicators X, the components' indicators Z, and the ratings y."""

    def __init__(self, rated: pd.DataFrame, present: Sequence[str], components: Sequence[str]) -> None:
        system = pd.Categorical(rated["system"], present).codes
        codes = [pd.factorize(rated[name])[0] for name in components]
        self.sizes = [int(one.max()) + 1 for one in codes]
        rows = np.arange(len(rated))
        blocks = [_indicators(rows, one, size) for one, size in zip(codes, self.sizes, strict=True)]
        fixed = _indicators(rows, system, len(present)).tolil()
        fixed[:, 0] = 1  # the intercept
        x, z, y = fixed.tocsr(), sparse.hstack(blocks).tocsr(), rated["rating"].to_numpy(float)
        self.count, self.fixed = x.shape
        self.xx, self.zx, self.zz = (part.toarray() for part in (x.T @ x, z.T @ x, z.T @ z))
        self.xy, self.zy, self.yy = x.T @ y, z.T @ y, float(y @ y)

    def solve(self, spread: Floats) -> tuple[float, Floats, Floats, float]:
        """The restricted deviance, effects, their covariance over the residual variance, and that variance.

        Args:
            spread: (components,) standard deviations over the residual's.
        """
        scale = np.repeat(spread, self.sizes)
        inner = cho_factor(np.eye(len(scale)) + scale[:, None] * self.zz * scale)
        zx, zy = scale[:, None] * self.zx, scale * self.zy
        solved = cho_solve(inner, np.column_stack([zx, zy]))
        outer = cho_factor(self.xx - zx.T @ solved[:, :-1])
        rest = self.xy - zx.T @ solved[:, -1]
        effects = cho_solve(outer, rest)
        squares = self.yy - zy @ solved[:, -1] - rest @ effects
        freedom = self.count - self.fixed
        logarithms = sum(2 * np.log(np.diag(one[0])).sum() for one in (inner, outer))
        deviance = logarithms + freedom * (1 + np.log(2 * np.pi * squares / freedom))
        return float(deviance), effects, cho_solve(outer, np.eye(self.fixed)), float(squares / freedom)


def _indicators(rows: np.ndarray, codes: np.ndarray, size: int) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(rows)), (rows, codes)), shape=(len(rows), size))


def fit(rated: pd.DataFrame, systems: Sequence[str], alpha: float) -> MixedModel | None:
    """Fit the model; ``None`` if the ratings do not determine it.

    Args:
        rated: `system, listener, item, rating`.
        systems: in order; the first with ratings is the baseline.
    """
    rated = rated[rated["system"].isin(list(systems))]
    present = [system for system in systems if system in set(rated["system"])]
    if len(present) < 2 or min(rated["listener"].nunique(), rated["item"].nunique()) < 2:
        return None
    if len(rated) <= len(present) or rated["rating"].nunique() < 2:
        return None
    found = _minimise(_Sums(rated, present, COMPONENTS), COMPONENTS)
    if found is None:
        return None
    effects, covariance, variances, converged = found
    residual = variances["residual"]
    errors = np.sqrt(residual * np.diag(covariance))
    z = effects / errors
    reach = stats.norm.ppf(1 - alpha / 2) * errors
    columns = {"estimate": effects, "error": errors, "z": z, "p": 2 * stats.norm.sf(np.abs(z))}
    table = pd.DataFrame({"system": present, **columns, "low": effects - reach, "high": effects + reach})
    return MixedModel(present[0], table, variances, converged)


def variances(rated: pd.DataFrame, components: Sequence[str]) -> dict[str, float] | None:
    """Variances of components around the systems' means, and of the `residual`; ``None`` if the ratings do not determine them.

    Args:
        rated: `system`, `rating`, and a column for each component, with the names of its levels.
    """
    found = _minimise(_Sums(rated, list(dict.fromkeys(rated["system"])), components), components)
    return None if found is None else found[2]


def _minimise(sums: _Sums, components: Sequence[str]) -> tuple[Floats, Floats, dict[str, float], bool] | None:
    """Effects, their covariance over the residual variance, all variances, and whether the search converged."""
    count = len(components)
    try:
        found = optimize.minimize(
            lambda spread: sums.solve(spread)[0], np.ones(count), method="L-BFGS-B", bounds=[(0, HIGHEST)] * count
        )
        _, effects, covariance, residual = sums.solve(found.x)
    except LinAlgError:
        return None
    if not residual > 0:
        return None
    spread = dict(zip(components, map(float, residual * found.x**2), strict=True))
    return effects, covariance, {**spread, "residual": residual}, bool(found.success)
