"""`vcbench pretrained`: the trained systems that come with vcbench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from vcbench.base.console import say
from vcbench.base.escape import terminal
from vcbench.cli import complete
from vcbench.cli.options import RunFolder, console

app = typer.Typer(help="The trained systems that come with vcbench.", no_args_is_help=True)


@app.command("list")
def show() -> None:
    """List the systems that come trained, and how well they convert between voices that they do not know.

    `vcbench convert` uses the best of them, `vcbench run --pretrained` scores them. Converted words: the share of the source's words
    that are recognised in conversions nearer to the target's voice than to the source's; the best system has the most.
    """
    from vcbench.api import pretrained

    best, systems = pretrained.best_one_shot(), pretrained.Index.read(pretrained.FOLDER).systems
    table = Table("system", "weights", "MB", "converted words (%)", "cosine to target", "WER (%)")
    for name, one in systems.items():
        size, figures = pretrained.weights_file(pretrained.FOLDER, name).stat().st_size, one.one_shot
        numbers = (100 * figures.converted_words, figures.similarity, 100 * figures.error_rate)
        cells = [f"{name} (best)" if name == best else name, str(one.origin), f"{size / 1e6:.1f}"]
        table.add_row(
            *map(terminal, cells), *(f"{value:.{digits}f}" for value, digits in zip(numbers, (1, 3, 1), strict=True))
        )
    console.print(table)


@app.command()
def export(
    folder: RunFolder,
    systems: Annotated[
        list[str] | None,
        typer.Option(
            "--system", help="A system of the run; repeatable. By default, all of them.", autocompletion=complete.system
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to, instead of the one in the package.")] = None,
) -> None:
    """Make systems of a scored run those that come with vcbench: weights in 16 bits, a model card of each, the index.

    A system that is there already is replaced. The index names the best one-shot system, by the runs' scores.
    """
    from vcbench.api.pretrained import FOLDER, weights_file
    from vcbench.reporting import export as exporting
    from vcbench.run.run import Run

    where = out or FOLDER
    index = exporting.export(Run.open(folder), systems or [], where)
    total = sum(weights_file(where, name).stat().st_size for name in index.systems)
    say(
        console,
        f"{where} has {', '.join(index.systems)} ({total / 1e6:.1f} MB); the best one-shot system is {index.best}.",
    )
