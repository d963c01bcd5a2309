"""What is installed: systems, metrics, and the state of this machine."""

from __future__ import annotations

import typer

from vcbench.cli.options import console

app = typer.Typer()


@app.command()
def systems() -> None:
    """List the installed systems."""
    from vcbench.cli.verbs import describe

    console.print(describe("systems"))


@app.command()
def metrics() -> None:
    """List the installed metrics and their columns."""
    from vcbench.cli.verbs import describe

    console.print(describe("metrics"))


@app.command()
def doctor() -> None:
    """Print the device, versions, installed weights and corpora, and what a run lacks without each missing one."""
    from vcbench.cli import doctor as examination

    for table in examination.examine():
        console.print(table)
