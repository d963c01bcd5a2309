"""The HTML report of a run: `report.html` in its folder, one page with tables, plots and audio that needs no network.

A section appears only if the run has data for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from vcbench.api.scores import ALL, scores_to_frame
from vcbench.base import escape
from vcbench.base.errors import ModelUnavailable
from vcbench.base.files import write_text
from vcbench.base.state import find_state
from vcbench.reporting.comparisons import matrices
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report.facts import assignments, facts, without_roots
from vcbench.reporting.report.plots import COLOURS, bands, conditions, cosines, intervals, training
from vcbench.reporting.report.trials import listening
from vcbench.reporting.sanity import CEILINGS, FLOOR, SIMILARITY, broken_order
from vcbench.reporting.tables import footnotes, plain_notes, text_tables
from vcbench.run.config import plain
from vcbench.run.folder import read_scores
from vcbench.run.run import Run

LISTED = 200  # most failures or rejected recordings that the page lists; the rest are in the run's files


@dataclass(frozen=True)
class Plot:
    """A plot with its heading and an optional caption."""

    title: str
    svg: Markup
    caption: str = ""


def write_report(run: Run, board: Leaderboard) -> Path:
    """Write report.html, and copies of the recordings it plays that are not in the run's folder."""
    path = run.files.report
    write_text(path, render(run, board))
    return path


def render(run: Run, board: Leaderboard) -> str:
    """The report of a run with this leaderboard, as HTML."""
    scores = _scores(run, board)
    failures = run.failures.assign(error=[without_roots(error, run) for error in run.failures["error"]])
    manifest = find_state(run.files.manifest) or {}
    return _template("report.html.j2").render(
        board=board,
        colours=COLOURS,
        facts=dict(facts(run, manifest)),
        versions=manifest.get("versions", {}),
        settings=list(assignments(plain(run.config))),
        tables=list(text_tables(board)),
        notes=plain_notes(board),
        footnotes=footnotes(board),
        intervals=list(_intervals(board)),
        matrices=list(matrices(board)),
        order=_order(board),
        failures=_grouped(failures),
        rejected=[(name, without_roots(reason, run)) for name, reason in run.prepared.rejected],
        listed=LISTED,
        distributions=[*_conditions(board), *_cosines(run, board), *_bands(board, scores)],
        training=list(_training(run)),
        trials=listening(run, scores, board.columns, failures),
    )


def render_comparison(board: Leaderboard) -> str:
    """A page of tables and paired differences of several runs, as HTML."""
    return _template("comparison.html.j2").render(
        board=board,
        colours=COLOURS,
        tables=list(text_tables(board)),
        notes=plain_notes(board),
        footnotes=footnotes(board),
        matrices=list(matrices(board)),
    )


def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("vcbench.reporting.report"),
        autoescape=True,
        finalize=escape.html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def _scores(run: Run, board: Leaderboard) -> pd.DataFrame:
    """All scores in the board's columns, with metrics in the order of the run's settings."""
    tables = [read_scores(run.files, name) for name in run.metrics if run.files.scores(name).is_file()]
    table = pd.concat([scores_to_frame([]), *tables], ignore_index=True)
    return table[table["column"].isin(board.columns)]


def _intervals(board: Leaderboard) -> Iterator[Plot]:
    """A plot for each main column."""
    pooled = board.cells[board.cells["condition"] == ALL]
    for name, column in board.columns.items():
        cells = pooled[pooled["column"] == name]
        if column.main and len(cells):
            svg = intervals(cells, column, (*board.systems, *board.references), board.references)
            yield Plot(column.title, svg)


def _order(board: Leaderboard) -> list[str] | None:
    """A sentence for each violation of the order of similarities; None if there is nothing to compare."""
    pooled = board.cells[board.cells["condition"] == ALL]
    similar = pooled[pooled["column"].str.startswith(SIMILARITY)]
    rows = set(similar["system"])
    if not rows & set(board.systems) or not rows & {FLOOR, *CEILINGS}:
        return None
    return list(broken_order(board))


def _grouped(failures: pd.DataFrame) -> list[tuple[str, str, list[str]]]:
    """Each system with each of its errors and the trials that failed with it."""
    groups = failures.groupby(["system", "error"], sort=False)["trial"]
    return [(system, error, list(trials)) for (system, error), trials in groups]


def _conditions(board: Leaderboard) -> Iterator[Plot]:
    """A plot for each main column that has values in several conditions."""
    for name, column in board.columns.items():
        cells = board.cells[(board.cells["column"] == name) & (board.cells["condition"] != ALL)]
        names = list(dict.fromkeys(cells["condition"]))
        if column.main and len(names) > 1 and set(cells["system"]) & set(board.systems):
            yield Plot(f"{column.title}, by condition", conditions(cells, column, board.systems, names))


def _cosines(run: Run, board: Leaderboard) -> Iterator[Plot]:
    """A plot for each metric that has scores and can verify the corpus's own speakers."""
    pooled = board.cells[board.cells["condition"] == ALL]
    for metric in run.metrics.values():
        key = next((key for key in metric.columns if key.startswith(SIMILARITY)), None)
        cells = pooled[pooled["column"] == key]
        if key is None or cells.empty:
            continue
        try:
            found = metric.verification(run)
        except ModelUnavailable:
            continue  # scored on another machine: this one does not have the model
        if found is not None:
            column, rows = board.columns[key], (*board.systems, *board.references)
            svg = cosines(found.same, found.different, found.threshold, cells, column, rows, board.references)
            yield Plot(
                f"{column.title}: calibration on this corpus",
                svg,
                f"Top: the corpus's own recordings, {len(found.same)} pairs of the same speaker and {len(found.different)} of "
                f"different speakers. Equal error rate {found.error_rate:.1%}, at threshold {found.threshold:.3f}. Bottom: the rows.",
            )


def _bands(board: Leaderboard, scores: pd.DataFrame) -> Iterator[Plot]:
    """A plot for each column whose scores have details by mel band."""
    for name, column in board.columns.items():
        own = scores[scores["column"] == name]
        if column.detail != "bands" or own.empty:
            continue
        errors = {
            str(system): np.mean([json.loads(detail)["bands"] for detail in details], axis=0)
            for system, details in own.groupby("system", sort=False)["detail"]
        }
        yield Plot(f"{column.title}, by mel band", bands(errors, column))


def _training(run: Run) -> Iterator[Plot]:
    """A plot for each system that was trained in this run."""
    for row in run.systems:
        path = run.files.training_log(row)
        if path.is_file() and path.stat().st_size:
            log = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
            yield Plot(row, training(log, row))
