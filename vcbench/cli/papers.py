"""What goes into a paper: tables in LaTeX, and the paragraph on methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vcbench.base.console import say
from vcbench.base.files import write_text
from vcbench.cli.options import AllowCode, RunFolder, console

app = typer.Typer()


@app.command()
def latex(
    folder: RunFolder,
    columns: Annotated[
        str | None, typer.Option(help="Keys of columns as in leaderboard.csv, separated by commas; by default all.")
    ] = None,
    fit: Annotated[
        Literal["column", "page", "landscape"],
        typer.Option(help="What a table has to fit: a column or a page of two columns, or a page on its side."),
    ] = "page",
    out: Annotated[Path | None, typer.Option("-o", "--output", help="File to write; by default printed.")] = None,
    allow_code: AllowCode = False,
) -> None:
    """A scored run's tables in LaTeX (booktabs), with captions, labels, intervals and ranks.

    What is too wide or too high becomes several tables. The run's leaderboard.tex has all columns, to fit a page, and its
    methods.tex has a paragraph on how it was made.
    """
    from vcbench.reporting.latex_board import latex
    from vcbench.reporting.publish import tabulate, unscored
    from vcbench.run.run import Run

    run = Run.open(folder)
    names = [name.strip() for name in columns.split(",")] if columns else []
    text = latex(tabulate(run, unscored(run)), names, fit)
    if out:
        write_text(out, text)
        say(console, f"Wrote {out}")
    else:
        typer.echo(text, nl=False)
