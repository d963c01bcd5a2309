"""The command line of the tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.errors import UserError
from vcbench.speech.corpora.mini.make import fetch as fetching

app = typer.Typer(help="Make the corpus mini.", no_args_is_help=True, add_completion=False)

Work = Annotated[Path, typer.Option(help="The folder for the synthesiser, the masters and what is measured.")]
Processes = Annotated[int, typer.Option(min=1, help="Processes, each on one thread.")]


def _synthesiser(work: Path) -> Path:
    return work / "synthesiser"


def _masters(work: Path) -> Path:
    return work / "masters"


def _report(done: int, total: int) -> None:
    if done % 20 == 0 or done == total:
        typer.echo(f"{done} of {total}")


@app.command()
def fetch(work: Work) -> None:
    """Get weights and voices of the synthesiser."""
    fetching.fetch(_synthesiser(work))


@app.command()
def screen(work: Work, processes: Processes = 2) -> None:
    """Hear and measure every voice."""
    from vcbench.speech.corpora.mini.make.screen import screen as hear

    hear(_synthesiser(work), work, processes, _report)


@app.command()
def plan(work: Work) -> None:
    """Choose speakers and sentences; this changes the tables of the package."""
    from vcbench.speech.corpora.mini.make.plan import plan as choose

    choose(work)


@app.command()
def speak(work: Work, processes: Processes = 2) -> None:
    """Write the masters."""
    from vcbench.speech.corpora.mini.make.speak import speak as say

    say(_synthesiser(work), _masters(work), processes, _report)


@app.command()
def encode(work: Work) -> None:
    """Write the corpus's recordings to the package."""
    from vcbench.speech.corpora.mini.make.encode import encode as write

    write(_masters(work), _report)


@app.command()
def check(
    work: Work,
    real: Annotated[Path, typer.Option(help="The folder of real speakers to compare with: librispeech-mini.")],
    processes: Processes = 2,
) -> None:
    """Measure masters and corpus; write CHECKS.md."""
    from vcbench.speech.corpora.mini.make.check import check as measure

    measure(_masters(work), real, processes, _report)


def main() -> None:
    try:
        app()
    except UserError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
