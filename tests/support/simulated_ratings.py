"""Plans and tables of ratings for tests of the analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vcbench.listening.design.plan import AnalysisPlan, CategoryScreening, MushraScreening


def make_plan(test: str = "mushra", **changes: Any) -> AnalysisPlan:
    settings = {
        "bundle": "vcbench_x", "test": test, "name": test, "primary_contrast": [], "seed": 1, "listeners": 20,
        "ratings_per_clip": 20, "bootstrap_samples": 500,
    }  # fmt: skip
    screening = {"mushra": MushraScreening()} if test == "mushra" else {"category": CategoryScreening()}
    return AnalysisPlan(**{**settings, **screening, **changes})


def tabulate(scores: dict[str, np.ndarray], purpose: str = "rated") -> pd.DataFrame:
    """A long table of (listeners, items) ratings per system, one clip each."""
    rows = [
        {
            "listener": str(listener + 1), "item": f"t{item}", "system": system, "rating": rating, "position": 0,
            "condition": "", "page": f"p_{item}", "clip": f"s_{system}_{item}", "purpose": purpose, "heard": True,
        }
        for system, ratings in scores.items()
        for (listener, item), rating in np.ndenumerate(ratings)
    ]  # fmt: skip
    return pd.DataFrame(rows)
