"""A value that follows from how a system is built stands in the tables without a rank."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.reporting.test_leaderboard import COLUMNS, LEVELS, cell, made_up_run, made_up_scores, made_up_trials
from vcbench.api.scores import Column
from vcbench.reporting import leaderboard
from vcbench.reporting.formats import markdown


def test_a_value_that_the_systems_structure_decides_is_neither_ranked_nor_compared() -> None:
    scores = made_up_scores(made_up_trials(), LEVELS)
    exact = (scores["system"] == "near") & (scores["column"] == "mel")
    scores = scores.assign(
        value=scores["value"].mask(exact, 0.0), detail=np.where(exact, '{"by construction": true}', "{}")
    )
    undeclared = leaderboard.build(made_up_run(), scores, COLUMNS)
    assert cell(undeclared, "all", "near", "mel")["rank"] == 1
    made = leaderboard.build(made_up_run(), scores, COLUMNS | {"mel": Column("Mel", False, 3, constructed=True)})
    assert pd.isna(cell(made, "all", "near", "mel")["rank"])
    pairs = made.comparisons[(made.comparisons["column"] == "mel") & (made.comparisons["condition"] == "all")]
    assert pairs[["first", "second"]].to_numpy().tolist() == [["good_one", "poor"]]
    assert "0.000 [0.000,\u00a00.000] by construction" in markdown(made)
