"""`vcbench listen`: build a listening test, collect its answers, analyse them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.escape import terminal
from vcbench.cli.options import RunFolder, console

app = typer.Typer(help="Blinded listening tests.", no_args_is_help=True)


@app.command("build")
def listen_build(
    folder: RunFolder,
    test: Annotated[str, typer.Option(help="mos, similarity-mos, preference or mushra.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes next to it.")],
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 6,
    listeners: Annotated[int, typer.Option(help="Sheets to write, one for each.")] = 20,
    per_item: Annotated[int, typer.Option(help="Listeners that rate each clip.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides choice, order and sheets.")] = 0,
    condition: Annotated[str | None, typer.Option(help="Use only trials of this condition.")] = None,
    rows: Annotated[str | None, typer.Option(help="What is rated: rows with commas; by default all that fit.")] = None,
    training: Annotated[int, typer.Option(help="Trials of the practice pages.")] = 1,
    traps: Annotated[int, typer.Option(help="Pages per listener on which a voice says what to answer.")] = 0,
    gold: Annotated[int, typer.Option(help="Pages per listener with a known right answer.")] = 0,
    no_preference: Annotated[bool, typer.Option("--no-preference", help="Allow that answer to a preference.")] = False,
    contrast: Annotated[str | None, typer.Option(help="The two rows that are compared first, with a comma.")] = None,
    language: Annotated[str, typer.Option(help="Of the page and of webMUSHRA's files: en or de.")] = "en",
    consent: Annotated[Path | None, typer.Option(help="File with the text to agree to, instead of a template.")] = None,
    collector: Annotated[str | None, typer.Option(help="URL that the page sends answers to.")] = None,
) -> None:
    """Write a blinded listening test: its page, level-matched clips, sheets, webMUSHRA files; and the key outside."""
    from vcbench.listening.design.build import build
    from vcbench.listening.options import Options, pair
    from vcbench.run.run import Run

    options = Options(
        items=items, listeners=listeners, per_item=per_item, seed=seed, condition=condition,
        rows=tuple(rows.split(",")) if rows else None, training=training, traps=traps, gold=gold,
        no_preference=no_preference, contrast=pair(contrast), language=language,
        consent=consent.read_text(encoding="utf-8") if consent else None, collector=collector,
    )  # fmt: skip
    key = build(Run.open(folder), test, out, options)
    say(console, f"Wrote {out}. The key is {key}: keep it away from listeners.")


@app.command("serve")
def listen_serve(
    bundle: Annotated[Path, typer.Argument(help="Folder that `listen build` wrote.")],
    results: Annotated[Path, typer.Option(help="Folder that answers are kept in, a file each.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines.")] = "127.0.0.1",
) -> None:
    """Serve a listening test and collect its answers."""
    try:
        from vcbench.listening.answers import server
    except ModuleNotFoundError as error:
        raise UserError(f"The collecting server needs {error.name}: pip install 'vcbench[listen]'.") from error

    say(console, f"Serving {bundle} at http://{host}:{port}/; answers go to {results}. Ctrl-C ends it.")
    server.serve(bundle, results, host, port)


@app.command("analyse")
def listen_analyse(
    results: Annotated[list[Path], typer.Argument(help="Files of answers, or folders of them.")],
    key: Annotated[Path, typer.Option(help="The key that `listen build` wrote next to the bundle.")],
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default next to the key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; by default next to the key.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="The run, whose tables and report get the answers.")
    ] = None,
) -> None:
    """Analyse a listening test according to its plan: screening, intervals, tests, a mixed model, plots, a paragraph.

    Reads the page's JSON, webMUSHRA's CSV files, pymushra's database and CSV file, and a plain table with the columns
    listener, item, system, rating. With --run, the run's leaderboard and report show the ratings next to the scores of
    its metrics, now and whenever they are made again.
    """
    try:
        from vcbench.listening.analysis.command import analyse
    except ModuleNotFoundError as error:
        raise UserError(f"The analysis needs {error.name}: pip install 'vcbench[listen]'.") from error

    printed = analyse(key, results, bundle, out, folder)
    console.print(terminal(printed), soft_wrap=True)
