"""What listeners said of a run, left in its folder, so that its leaderboard and report have it (`vcbench.reporting.ratings`)."""

from __future__ import annotations

from pathlib import Path

from vcbench.base.state import write_state
from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.paragraph import DECIMALS
from vcbench.listening.analysis.report import records
from vcbench.listening.analysis.statistics import points
from vcbench.listening.kinds import ListeningError
from vcbench.reporting.publish import unscored, write_tables
from vcbench.reporting.ratings import read_ratings, replaced
from vcbench.run.run import Run

TITLES = {
    "mos": "Naturalness, heard (1-5)",
    "similarity-mos": "Same speaker, heard (1-4)",
    "preference": "Preferred voice, heard (%)",
    "mushra": "MUSHRA, heard (0-100)",
    "mushra-like": "MUSHRA-like, heard (0-100)",
}


def open_rated_run(analysis: Analysis, folder: Path) -> Run:
    """The run whose recordings were heard.

    Raises:
        ListeningError: the run has other recordings than listeners heard.
        RunError: the folder is no run.
    """
    run = Run.open(folder)
    if changed := replaced(run, analysis.key.content["recordings"]):
        raise ListeningError(
            f"{folder} does not have the recordings of {', '.join(changed)} that listeners heard; its rows are "
            f"{', '.join(run.rows)}. The test was built of {analysis.key.content['run']}."
        )
    return run


def merge(analysis: Analysis, run: Run) -> None:
    """Add the test to the run's `listening.json` under the bundle's id, and write its tables and report anew.

    A test has `column` (of the leaderboard), `note` (its footnote), `recordings` (hashes of what was heard, by row and
    trial) and `scores` (as in scores.csv).
    """
    tests = read_ratings(run)
    content = analysis.key.content
    preference = analysis.key.test == "preference"
    tests[content["id"]] = {
        "column": {
            "title": TITLES[content["name"]],
            "higher_is_better": True,
            "decimals": 1 if preference else DECIMALS[analysis.key.test],
            "percent": preference,
        },
        "note": _note(analysis),
        "recordings": content["recordings"],
        "scores": records(analysis.after.scores),
    }
    write_state(run.files.ratings, {"tests": tests})
    write_tables(run, unscored(run))


def _note(analysis: Analysis) -> str:
    conditions = dict.fromkeys(points(analysis.counted, analysis.key.test)["condition"])
    screened = f", {len(analysis.out)} more screened" if analysis.out else ""
    return (
        f"Listening test {analysis.key.content['id']}: {analysis.after.listeners} listeners{screened}, {analysis.after.items} items "
        f"of {', '.join(conditions)}; interval by bootstrap over listeners and items, systems compared in the test's own analysis."
    )
