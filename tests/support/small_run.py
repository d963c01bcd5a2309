"""All stages of a run, without progress bars."""

from __future__ import annotations

from vcbench.reporting.manifest import write_manifest
from vcbench.reporting.methods import write_methods
from vcbench.reporting.publish import tabulate, write_leaderboard
from vcbench.run.run import Run
from vcbench.stages.pipeline import train_and_convert
from vcbench.stages.prepare import prepare
from vcbench.stages.score import score


def nothing(*arguments: object) -> None:
    """No progress is shown."""


def stages(run: Run) -> None:
    prepare(run, nothing)
    train_and_convert(run, nothing)
    score(run, {}, nothing)
    write_manifest(run, {})
    board = tabulate(run, {})
    write_leaderboard(board, run.files)
    write_methods(run, board, {})
