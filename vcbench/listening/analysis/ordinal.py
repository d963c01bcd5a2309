"""An ordinal model of ratings in categories, as an option: cumulative logits, with errors clustered by listener.

It is the marginal model of Heagerty and Zeger (1996), fitted by generalised estimating equations (statsmodels'
OrdinalGEE). A cumulative-link mixed model would have random intercepts in their place; there is no maintained library for
that in Python without R (pymer4) or sampling (bambi).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from statsmodels.genmod.cov_struct import Independence
from statsmodels.genmod.generalized_estimating_equations import OrdinalGEE

FEWEST = 3  # listeners


def fit(rated: pd.DataFrame, systems: Sequence[str], alpha: float) -> pd.DataFrame | None:
    """Each system's log odds of a higher category against the first; ``None`` if the ratings do not determine them.

    Args:
        rated: `system, listener, rating`.
        systems: in order; the first with ratings is the baseline.

    Returns:
        `system, estimate, error, z, p, low, high` for all but the baseline; p is from Wald's test, without correction.
    """
    rated = rated[rated["system"].isin(list(systems))]
    present = [system for system in systems if system in set(rated["system"])]
    if len(present) < 2 or rated["rating"].nunique() < 2 or rated["listener"].nunique() < FEWEST:
        return None
    codes = pd.Categorical(rated["system"], present).codes
    indicators = (codes[:, None] == np.arange(1, len(present))).astype(float)
    groups = pd.factorize(rated["listener"])[0]
    model = OrdinalGEE(rated["rating"].to_numpy(float), indicators, groups, cov_struct=Independence())
    try:
        result = model.fit(cov_type="robust")
    except (np.linalg.LinAlgError, ValueError):
        return None
    start = len(result.params) - len(present) + 1  # after the thresholds
    limits = np.asarray(result.conf_int(alpha))
    columns = {"estimate": result.params, "error": result.bse, "z": result.tvalues, "p": result.pvalues}
    numbers = {name: np.asarray(values)[start:] for name, values in columns.items()}
    table = pd.DataFrame({"system": present[1:], **numbers, "low": limits[start:, 0], "high": limits[start:, 1]})
    return table if np.isfinite(table["error"]).all() else None
