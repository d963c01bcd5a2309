"""The HTML report of a run: one page with a verdict, the table that decides, recordings, plots, and everything else on demand.

`report.html` in the run's folder plays the recordings there; `report-single.html` has some of them within it, and can be mailed.
Neither needs a network. A section appears only if the run has data for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vcbench.api.scores import ALL
from vcbench.base import escape
from vcbench.base.files import write_text
from vcbench.base.nouns import counted
from vcbench.base.state import find_state
from vcbench.reporting.comparisons import matrices
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report.clips import Clip, draw
from vcbench.reporting.report.deciding import deciding, key_table
from vcbench.reporting.report.facts import assignments, facts, without_roots
from vcbench.reporting.report.figures import Drawn, further_plots, main_plots
from vcbench.reporting.report.listen import choose, listening, spread
from vcbench.reporting.report.style import COLOURS, Look, looks
from vcbench.reporting.report.verdict import verdict
from vcbench.reporting.sanity import CEILINGS, FLOOR, SIMILARITY, broken_order
from vcbench.reporting.tables import footnotes, plain_notes, text_tables
from vcbench.run.config import plain
from vcbench.run.folder import read_all_scores
from vcbench.run.run import Run

LISTED = 200  # most failures or rejected recordings that the page lists; the rest are in the run's files
PICTURED = 40  # trials whose recordings are drawn
EMBEDDED = 11_000_000  # characters of audio and pictures in a page that is mailed, which its plots and tables add to


def write_report(run: Run, board: Leaderboard, single_file: bool = False) -> Path:
    """Write report.html, and what it shows that is not in the run's folder; or report-single.html, which has all within it."""
    path = run.files.single_report if single_file else run.files.report
    write_text(path, render(run, board, single_file))
    return path


def render(run: Run, board: Leaderboard, single_file: bool = False) -> str:
    """The report of a run with this leaderboard, as HTML."""
    scores, roles, drawn_as = _scores(run, board), deciding(board), looks(board.systems, board.references)
    manifest = find_state(run.files.manifest) or {}
    drawn = Drawn(run, board, scores, roles, drawn_as)
    heard = _heard(run, board, scores, roles, drawn_as, single_file)
    return template("report.html.j2").render(
        board=board,
        colours=COLOURS,
        looks=drawn_as,
        verdict=verdict(run, board, roles),
        key=key_table(board, roles),
        facts=dict(facts(run, manifest)),
        versions=manifest.get("versions", {}),
        settings=list(assignments(plain(run.config))),
        tables=list(text_tables(board)),
        notes=plain_notes(board),
        footnotes=footnotes(board),
        matrices=list(matrices(board)),
        order=_order(board),
        failures=_grouped(run),
        rejected=[(name, without_roots(reason, run)) for name, reason in run.prepared.rejected],
        listed=LISTED,
        drawings=list(main_plots(drawn)),
        further=list(further_plots(drawn)),
        listening=heard,
        all_trials=len(run.trials),
        single_file=single_file,
    )


def render_comparison(board: Leaderboard) -> str:
    """A page of tables and paired differences of several runs, as HTML."""
    return template("comparison.html.j2").render(
        board=board,
        colours=COLOURS,
        tables=list(text_tables(board)),
        notes=plain_notes(board),
        footnotes=footnotes(board),
        matrices=list(matrices(board)),
    )


def template(name: str) -> Template:
    """A page's template, which escapes what is put into it."""
    environment = Environment(
        loader=PackageLoader("vcbench.reporting.report"),
        autoescape=True,
        finalize=escape.html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["counted"] = counted
    return environment.get_template(name)


def _scores(run: Run, board: Leaderboard) -> pd.DataFrame:
    """All scores in the board's columns, with metrics in the order of the run's settings."""
    table = read_all_scores(run.files, run.metrics)
    return table[table["column"].isin(board.columns)]


def _heard(
    run: Run,
    board: Leaderboard,
    scores: pd.DataFrame,
    roles: Mapping[str, str],
    drawn_as: Mapping[str, Look],
    single_file: bool,
) -> dict[str, Any]:
    """Data of the listening section: of all trials, or of as many as a page that is mailed can hold."""
    trials = scores[scores["trial"].isin(set(run.trials["trial"]))]
    chosen = choose(run.trials, spread(trials, list(roles.values()), board.systems), PICTURED)
    clips: dict[tuple[str, str], Clip] = {}
    held: list[str] = []
    room = EMBEDDED
    for name, own in draw(run, chosen, single_file):
        room -= sum(clip.size for clip in own.values())
        if single_file and room < 0 and held:
            break
        held.append(name)
        clips |= {(row, name): clip for row, clip in own.items()}
    return listening(run, board, trials, roles, drawn_as, clips, held if single_file else None)


def _order(board: Leaderboard) -> list[str] | None:
    """A sentence for each violation of the order of similarities; None if there is nothing to compare."""
    pooled = board.cells[board.cells["condition"] == ALL]
    similar = pooled[pooled["column"].str.startswith(SIMILARITY)]
    rows = set(similar["system"])
    if not rows & set(board.systems) or not rows & {FLOOR, *CEILINGS}:
        return None
    return list(broken_order(board))


def _grouped(run: Run) -> list[tuple[str, str, list[str]]]:
    """Each system with each of its errors and the trials that failed with it."""
    failures = run.failures.assign(error=[without_roots(error, run) for error in run.failures["error"]])
    groups = failures.groupby(["system", "error"], sort=False)["trial"]
    return [(system, error, list(trials)) for (system, error), trials in groups]
