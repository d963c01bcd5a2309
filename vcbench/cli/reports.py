"""What is made of runs that are scored: their report, and the comparison of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.console import say
from vcbench.cli.options import AllowCode, RunFolder, console

app = typer.Typer()


@app.command()
def report(folder: RunFolder, allow_code: AllowCode = False) -> None:
    """Rewrite the report of a scored run: tables, plots, comparisons and audio on one HTML page."""
    from vcbench.cli.verbs import report

    say(console, f"Wrote {report(folder)}")


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of two or more scored runs, e.g. runs/quick runs/longer.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for comparison.html, .md, .tex, .csv and pairs.csv.")] = None,
    allow_code: AllowCode = False,
) -> None:
    """Compare the systems of several runs on the trials that all of them have: means, and paired differences.

    The runs must use the same recordings. A metric whose settings differ between the runs is left out, with the reason.
    """
    from vcbench.reporting.compare import compare_runs, write_comparison
    from vcbench.reporting.publish import render
    from vcbench.reporting.terminal import TerminalPairs

    board = compare_runs(folders)
    console.print(render(board))
    console.print(TerminalPairs(board))
    if out:
        write_comparison(board, out)
        say(console, f"Wrote {out / 'comparison.html'}")
