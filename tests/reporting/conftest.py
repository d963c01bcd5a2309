"""A leaderboard that the tests of its formats share; a made-up run with everything that a report shows, and its page."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.support import made_up_board
from tests.support.made_up_board import COLUMNS, LEVELS, MISSING, NOTES, made_up_scores, made_up_trials
from tests.support.made_up_run import made_up_run
from tests.support.report_page import LEVEL, SYSTEMS, add_the_rest
from vcbench.cli.verbs import report
from vcbench.reporting import leaderboard
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.publish import tabulate
from vcbench.run.run import Run


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    return made_up_scores(made_up_trials(), LEVELS)


@pytest.fixture(scope="module")
def board(scores: pd.DataFrame) -> Leaderboard:
    """`near` failed on one trial, and lost one similarity score on top of it."""
    run = made_up_board.made_up_run([("near", "seen->seen-3", "seen->seen", "ValueError: not finite")])
    failed = (scores["system"] == "near") & (scores["trial"] == "seen->seen-3")
    lost = (scores["system"] == "near") & (scores["trial"] == "seen->seen-4") & (scores["column"] == "similarity")
    return leaderboard.build(run, scores[~(failed | lost)], COLUMNS, NOTES, MISSING)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = made_up_run(tmp_path_factory.mktemp("runs") / "full", SYSTEMS, LEVEL)
    add_the_rest(made)
    return made


@pytest.fixture(scope="session")
def full_board(run: Run) -> Leaderboard:
    return tabulate(run, {})


@pytest.fixture(scope="session")
def page(run: Run) -> str:
    """As the command line writes it."""
    return report(run.folder).read_text()


@pytest.fixture(scope="session")
def single(run: Run) -> str:
    """The page that is mailed."""
    return report(run.folder, single_file=True).read_text()
