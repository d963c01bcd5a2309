"""What is made of runs that are scored: their report, and the comparison of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.console import say
from vcbench.cli.options import AllowCode, console

app = typer.Typer()


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="Folders of scored runs, e.g. runs/quick.")],
    single_file: Annotated[
        bool,
        typer.Option(
            "--single-file", help="Write report-single.html, with audio and pictures within it, to be mailed."
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for all reports with their recordings, a comparison, and index.html; it can be moved."
        ),
    ] = None,
    allow_code: AllowCode = False,
) -> None:
    """Rewrite the report of each scored run: a verdict, tables, recordings and plots on one HTML page.

    It opens from the run's folder, whose recordings it plays. With --single-file it is one file that needs nothing else. With
    --out the reports and what they play are copied to a folder that opens from disk.
    """
    from vcbench.cli.verbs import report, report_folder

    if out is not None:
        say(console, f"Wrote {report_folder(folders, out, single_file)}")
        return
    for folder in folders:
        path = report(folder, single_file)
        say(console, f"Wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")


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
