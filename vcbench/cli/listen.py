"""`vcbench listen`: build a listening test, collect its answers and analyse them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.escape import terminal
from vcbench.cli import crowd
from vcbench.cli.options import AllowCode, RunFolder, console

app = typer.Typer(help="Blinded listening tests.", no_args_is_help=True)
app.command("serve")(crowd.serve)
app.command("status")(crowd.status)
app.command("export")(crowd.export)
app.command("forget")(crowd.forget)


@app.command("build")
def listen_build(
    folder: RunFolder,
    test: Annotated[str, typer.Option(help="mos, similarity-mos, preference or mushra.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes next to it.")],
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 6,
    listeners: Annotated[int, typer.Option(help="Sheets to write, one per listener.")] = 20,
    per_item: Annotated[int, typer.Option(help="Listeners who rate each clip.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the selection, order and sheets.")] = 0,
    condition: Annotated[str | None, typer.Option(help="Use only trials of this condition.")] = None,
    rows: Annotated[
        str | None, typer.Option(help="Rows to rate, separated by commas; by default all that fit the test.")
    ] = None,
    training: Annotated[int, typer.Option(help="Trials on the practice pages.")] = 1,
    traps: Annotated[int, typer.Option(help="Pages per listener on which a voice tells the answer.")] = 0,
    gold: Annotated[int, typer.Option(help="Pages per listener with a known correct answer.")] = 0,
    no_preference: Annotated[
        bool, typer.Option("--no-preference", help="Allow this answer in a preference test.")
    ] = False,
    contrast: Annotated[
        str | None, typer.Option(help="The two rows of the primary comparison, separated by a comma.")
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the page and of webMUSHRA's files: en, de or ar.")] = "en",
    consent: Annotated[Path | None, typer.Option(help="File with the consent text, instead of a template.")] = None,
    collector: Annotated[str | None, typer.Option(help="URL to which the page sends answers.")] = None,
    allow_code: AllowCode = False,
) -> None:
    """Write a blinded listening test: page, level-matched clips, sheets, webMUSHRA files, and a separate key."""
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
    say(console, f"Wrote {out}. The key is {key}: do not give it to listeners.")


@app.command("analyse")
def listen_analyse(
    results: Annotated[list[Path], typer.Argument(help="Files of answers, or folders that contain them.")],
    key: Annotated[Path, typer.Option(help="The key that `listen build` wrote next to the bundle.")],
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default next to the key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; by default next to the key.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="The run whose tables and report get the ratings.")
    ] = None,
    allow_code: AllowCode = False,
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
