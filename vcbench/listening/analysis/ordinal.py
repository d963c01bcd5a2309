"""An ordinal model of ratings in categories, as an option: cumulative logits with random intercepts for listeners and items.

It is the cumulative-link mixed model of R's `ordinal::clmm`. Python has no well-kept library for it: statsmodels has ordinal
models without random effects (OrderedModel, OrdinalGEE), bambi samples, pymer4 needs R.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from vcbench.listening.analysis.mixed_model import COMPONENTS, MixedModel
from vcbench.stats import cumulative_link


def fit(rated: pd.DataFrame, systems: Sequence[str], alpha: float) -> MixedModel | None:
    """Each system's log odds of a higher category against the first; ``None`` if the ratings do not determine them.

    Args:
        rated: `system, listener, item, rating`.
        systems: in order; the first with ratings is the baseline.

    Returns:
        Effects and variances in log odds; the baseline is not in the table.
    """
    rated = rated[rated["system"].isin(list(systems))]
    present = [system for system in systems if system in set(rated["system"])]
    if len(present) < 2 or rated["rating"].nunique() < 2 or min(rated[name].nunique() for name in COMPONENTS) < 2:
        return None
    category = pd.factorize(rated["rating"], sort=True)[0]
    groups = [pd.factorize(rated[name])[0] for name in COMPONENTS]
    found = cumulative_link.fit(category, pd.Categorical(rated["system"], present).codes, groups)
    if found is None:
        return None
    z = found.effects / found.errors
    reach = stats.norm.ppf(1 - alpha / 2) * found.errors
    columns = {"estimate": found.effects, "error": found.errors, "z": z, "p": 2 * stats.norm.sf(np.abs(z))}
    limits = {"low": found.effects - reach, "high": found.effects + reach}
    variances = dict(zip(COMPONENTS, map(float, found.deviations**2), strict=True))
    return MixedModel(
        present[0], pd.DataFrame({"system": present[1:], **columns, **limits}), variances, found.converged
    )
