"""Writing a run's tables and report."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from vcbench.api.scores import Column
from vcbench.base.escape import csv
from vcbench.base.files import ReadOnlyError, write_json, write_text
from vcbench.base.state import find_state, read_state
from vcbench.reporting.leaderboard import Leaderboard, build
from vcbench.reporting.manifest import write_manifest
from vcbench.reporting.methods import write_methods
from vcbench.reporting.ratings import with_ratings
from vcbench.reporting.sanity import broken_order
from vcbench.run.config import speaker_encoder
from vcbench.run.folder import RunError, RunFolder, read_scores, together
from vcbench.run.run import Run
from vcbench.stages.score import check_metrics

if TYPE_CHECKING:
    from vcbench.reporting.terminal import TerminalBoard

logger = logging.getLogger(__name__)


def write_leaderboard(board: Leaderboard, files: RunFolder) -> None:
    """Write leaderboard.md, .csv, .json and .tex, each completely or not at all."""
    from vcbench.reporting.formats import long_table, markdown, plain
    from vcbench.reporting.latex_board import latex

    write_text(files.leaderboard("md"), markdown(board))
    write_text(files.leaderboard("tex"), latex(board))
    write_text(files.leaderboard("csv"), csv(long_table(board)))
    write_json(files.leaderboard("json"), plain(board))


def render(board: Leaderboard) -> TerminalBoard:
    """A rich renderable, with as many columns side by side as fit the terminal."""
    from vcbench.reporting.terminal import TerminalBoard

    return TerminalBoard(board)


def publish(run: Run, missing: dict[str, str], wall_times: dict[str, float]) -> Leaderboard:
    """Write the manifest, the leaderboard in every format, and the report.

    A finished run may be read-only: then a warning says which file stays as it was.
    """
    board = tabulate(run, missing)
    try:
        write_manifest(run, wall_times)
        write_tables(run, board)
    except ReadOnlyError as error:
        logger.warning("%s The files of tables and the report stay as they were.", error)
    return board


def write_tables(run: Run, board: Leaderboard) -> None:
    """Write the leaderboard in every format, the paragraph on methods, and the report."""
    from vcbench.reporting.report.page import write_report  # here, because what draws takes seconds to import

    write_leaderboard(board, run.files)
    write_methods(run, board, find_state(run.files.manifest) or {})
    write_report(run, board)


def unscored(run: Run) -> dict[str, str]:
    """Metrics that have left no scores in a run that was converted, with the reason.

    Raises:
        RunError: the run is not converted.
    """
    waiting = [row for row in run.rows if not run.files.outcomes(row).is_file()]
    if waiting:
        raise RunError(f"{run.folder} has no conversions of {', '.join(waiting)} yet. `vcbench run` makes them.")
    unavailable = check_metrics(run, strict=False)
    return {
        name: unavailable.get(name, "not scored yet; `vcbench run` with the run's settings scores it.")
        for name in run.metrics
        if not run.files.scores(name).is_file()
    }


def tabulate(run: Run, missing: dict[str, str]) -> Leaderboard:
    """The leaderboard of the scores that the run has, and of what listeners said; `missing` are metrics without scores, with
    the reason.
    """
    tables, notes = [], []
    encoders = {row: speaker_encoder(row, own) for row, own in run.config.systems.items()}
    columns: dict[str, Column] = {}
    unavailable: dict[str, str] = {}
    for name, metric in run.metrics.items():
        columns |= metric.columns
        if name in missing:
            unavailable |= dict.fromkeys(metric.columns, missing[name])
            continue
        scores = read_scores(run.files, name)
        tables.append(scores)
        unavailable |= {
            key: f"no recording has {column.needs}."
            for key, column in metric.columns.items()
            if column.needs and key not in set(scores["column"].unique())
        }
        settings = read_state(run.files.scoring(name), "`vcbench run` scores the recordings again.")["settings"]
        text = f"{name}: " + ", ".join(f"{key} {value}" for key, value in settings.items())
        notes.append((tuple(metric.columns), text))
        notes += metric.remarks(scores)
        if rows := [row for row, encoder in encoders.items() if encoder and encoder == metric.speaker_encoder]:
            text = f"{', '.join(rows)}: none, because this encoder's embeddings condition {'it' if len(rows) == 1 else 'them'}."
            notes.append((tuple(metric.columns), text))
    notes += [((), line) for line in run.notes]
    board = build(run, together(tables), columns, notes, unavailable)
    return with_ratings(replace(board, notes=(*board.notes, *(((), line) for line in broken_order(board)))), run)
