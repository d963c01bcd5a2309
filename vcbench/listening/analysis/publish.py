"""Store listeners' ratings in the folder of a run, so that its leaderboard and report show them (`vcbench.reporting.ratings`)."""

from __future__ import annotations

from pathlib import Path

from vcbench.base.nouns import counted
from vcbench.base.state import write_state
from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.report import records
from vcbench.listening.analysis.statistics import points
from vcbench.listening.analysis.wording import WORDINGS
from vcbench.listening.kinds import ListeningError
from vcbench.reporting.publish import tabulate, unscored, write_tables
from vcbench.reporting.ratings import read_ratings, replaced
from vcbench.run.run import Run


def open_rated_run(analysis: Analysis, folder: Path) -> Run:
    """Open the run whose recordings were rated.

    Raises:
        ListeningError: listeners rated other recordings than those of the run.
        RunError: the folder is not a run.
    """
    run = Run.open(folder)
    if changed := replaced(run, analysis.key.content["recordings"]):
        raise ListeningError(
            f"{folder} does not have the recordings of {', '.join(changed)} that listeners rated; its rows are "
            f"{', '.join(run.rows)}. The test was built from {analysis.key.content['run']}. Give that run with --run."
        )
    return run


def merge(analysis: Analysis, run: Run) -> None:
    """Add the test to the run's `listening.json` under the id of the bundle, and rewrite its tables and report.

    A test has `column` (of the leaderboard), `note` (its footnote), `recordings` (hashes of the rated recordings, by row
    and trial) and `scores` (as in scores.csv).
    """
    tests = read_ratings(run)
    content = analysis.key.content
    wording = WORDINGS[content["name"]]
    tests[content["id"]] = {
        "column": {
            "title": wording.title,
            "higher_is_better": None if analysis.key.kind.discriminates else True,
            "decimals": 1 if wording.percent else wording.decimals,
            "percent": wording.percent,
        },
        "note": _note(analysis),
        "recordings": content["recordings"],
        "scores": records(analysis.after.scores),
    }
    write_state(run.files.ratings, {"tests": tests})
    write_tables(run, tabulate(run, unscored(run)))


def _note(analysis: Analysis) -> str:
    conditions = dict.fromkeys(points(analysis.counted, analysis.key.test)["condition"])
    screened = f" ({len(analysis.out)} more were left out)" if analysis.out else ""
    return (
        f"Listening test {analysis.key.content['id']}: "
        f"{counted(analysis.after.listeners, 'listener')}{screened}, {counted(analysis.after.items, 'item')} "
        f"of {', '.join(conditions)}; bootstrap interval over listeners and items; the analysis of the test compares the systems."
    )
