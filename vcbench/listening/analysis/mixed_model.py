"""A linear mixed model of ratings, ``rating ~ system + (1|listener) + (1|item)``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.tools.sm_exceptions import ConvergenceWarning


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
    data = rated.assign(system=pd.Categorical(rated["system"], present), everything=1)
    # Listeners and items are crossed; statsmodels supports that only as variance components of a single group.
    components = {"listener": "0 + C(listener)", "item": "0 + C(item)"}
    model = MixedLM.from_formula("rating ~ system", data, groups="everything", vc_formula=components)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported by `converged`
        warnings.simplefilter("ignore", RuntimeWarning)  # from steps that the search then takes back
        try:
            result = model.fit(method=["lbfgs", "powell"])
        except np.linalg.LinAlgError:
            return None
    limits = np.asarray(result.conf_int(alpha))[: len(present)]
    numbers = [np.asarray(part)[: len(present)] for part in (result.params, result.bse, result.tvalues, result.pvalues)]
    columns = ["estimate", "error", "z", "p", "low", "high"]
    effects = pd.DataFrame(np.column_stack([*numbers, limits]), columns=columns)
    effects.insert(0, "system", present)
    spread = dict(zip(model.exog_vc.names, map(float, result.vcomp), strict=True))
    return MixedModel(present[0], effects, {**spread, "residual": float(result.scale)}, bool(result.converged))
