"""`vcbench run --from`: a run repeated, and its table compared with the first one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.escape import terminal
from vcbench.cli.options import console
from vcbench.cli.verbs import print_board, run_all
from vcbench.reporting.repeat import TITLES, compare_tables, require_table, sentences, write_repetition
from vcbench.run.again import repeat_run
from vcbench.run.folder import RunFolder

SHOWN = 20  # cells that differ; the file has all


def repeat(
    folder: Path,
    others: Sequence[str],
    name: str | None,
    assignments: list[str] | None,
    root: Path | None,
    runs: Path,
    strict: bool,
) -> None:
    """Repeat the run in `folder`.

    Args:
        others: options that the user gave and that --from does not go with.
    """
    from rich.table import Table

    if others:
        raise UserError(f"--from repeats a run with its own settings; leave out {', '.join(others)}.")
    started = time.perf_counter()
    before = RunFolder(folder)
    run = repeat_run(folder, name, assignments, root, runs)
    require_table(before)
    board = run_all(run, strict, console)
    print_board(board, run, console, time.perf_counter() - started)
    found = compare_tables(before, run.files)
    write_repetition(found, before, run.files)
    for line in sentences(found):
        say(console, line)
    if found.different:
        table = Table(*TITLES)
        for difference in found.different[:SHOWN]:
            table.add_row(*map(terminal, difference))
        console.print(table)
    say(console, f"All of this: {run.files.repeat}")
