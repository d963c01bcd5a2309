"""A leaderboard that the tests of its formats share."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.support.made_up_board import COLUMNS, LEVELS, MISSING, NOTES, made_up_run, made_up_scores, made_up_trials
from vcbench.reporting import leaderboard
from vcbench.reporting.leaderboard import Leaderboard


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return made_up_scores(made_up_trials(), LEVELS)


@pytest.fixture(scope="module")
def board(scores: pd.DataFrame) -> Leaderboard:
    """`near` failed on one trial, and lost one similarity score on top of it."""
    run = made_up_run([("near", "seen->seen-3", "seen->seen", "ValueError: not finite")])
    failed = (scores["system"] == "near") & (scores["trial"] == "seen->seen-3")
    lost = (scores["system"] == "near") & (scores["trial"] == "seen->seen-4") & (scores["column"] == "similarity")
    return leaderboard.build(run, scores[~(failed | lost)], COLUMNS, NOTES, MISSING)
