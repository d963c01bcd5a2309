"""A made-up run with everything that a report shows, and its page."""

from __future__ import annotations

import pytest

from tests.support.made_up_run import made_up_run
from tests.support.report_page import LEVEL, SYSTEMS, add_the_rest
from vcbench.cli.verbs import report
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.publish import tabulate
from vcbench.run.run import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = made_up_run(tmp_path_factory.mktemp("runs") / "full", SYSTEMS, LEVEL)
    add_the_rest(made)
    return made


@pytest.fixture(scope="session")
def board(run: Run) -> Leaderboard:
    return tabulate(run, {})


@pytest.fixture(scope="session")
def page(run: Run) -> str:
    """As the command line writes it."""
    return report(run.folder).read_text()


@pytest.fixture(scope="session")
def single(run: Run) -> str:
    """The page that is mailed."""
    return report(run.folder, single_file=True).read_text()
