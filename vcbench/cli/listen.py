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

TESTS = (
    "mos, acr, dmos, similarity-mos, smos, cmos, ab, preference, abx, bws or mushra; or a preset: vcc2020 (mos and "
    "similarity-mos) or p808."
)

app = typer.Typer(help="Blinded listening tests.", no_args_is_help=True)
app.command("serve")(crowd.serve)
app.command("status")(crowd.status)
app.command("export")(crowd.export)
app.command("forget")(crowd.forget)


@app.command("build")
def listen_build(
    folder: RunFolder,
    test: Annotated[str, typer.Option(help=TESTS)],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes next to it.")],
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 6,
    listeners: Annotated[int, typer.Option(help="Sheets to write, one per listener.")] = 20,
    per_item: Annotated[int | None, typer.Option(help="Listeners who rate each clip; by default 10.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the selection, order and sheets.")] = 0,
    condition: Annotated[str | None, typer.Option(help="Use only trials of this condition.")] = None,
    rows: Annotated[str | None, typer.Option(help="Rows to rate, with commas; by default all that fit.")] = None,
    training: Annotated[int, typer.Option(help="Trials on the practice pages.")] = 1,
    traps: Annotated[int | None, typer.Option(help="Pages per listener on which a voice tells the answer.")] = None,
    gold: Annotated[int | None, typer.Option(help="Pages per listener with a known correct answer.")] = None,
    no_preference: Annotated[bool, typer.Option("--no-preference", help="Offer it where a clip is chosen.")] = False,
    contrast: Annotated[str | None, typer.Option(help="Rows to compare: the first with each of the others.")] = None,
    language: Annotated[str, typer.Option(help="Language of the page and of webMUSHRA's files: en, de or ar.")] = "en",
    consent: Annotated[Path | None, typer.Option(help="File with the consent text, instead of a template.")] = None,
    collector: Annotated[str | None, typer.Option(help="URL to which the page sends answers.")] = None,
    allow_code: AllowCode = False,
) -> None:
    """Write a blinded listening test: page, level-matched clips, sheets, webMUSHRA files, and a separate key."""
    from vcbench.listening.design.build import build_all
    from vcbench.listening.kinds import find_tests
    from vcbench.listening.options import Options
    from vcbench.listening.options import contrast as rows_of
    from vcbench.run.run import Run

    preset = find_tests(test)
    asked = {"per_item": per_item, "traps": traps, "gold": gold}
    options = Options(
        items=items, listeners=listeners, seed=seed, condition=condition, rows=tuple(rows.split(",")) if rows else None,
        training=training, no_preference=no_preference, contrast=rows_of(contrast), language=language,
        consent=consent.read_text(encoding="utf-8") if consent else None, collector=collector,
        **(preset.options | {name: value for name, value in asked.items() if value is not None}),
    )  # fmt: skip
    for place, key in build_all(Run.open(folder), preset.tests, out, options):
        say(console, f"Wrote {place}. The key is {key}: do not give it to listeners.")


@app.command("plan")
def listen_plan(
    difference: Annotated[float, typer.Option(help="The difference of two systems' means that the test should find.")],
    power: Annotated[float, typer.Option(help="How likely it should find it.")] = 0.8,
    test: Annotated[str, typer.Option(help="The test, as in `listen build`; of a pilot, that of its key.")] = "mos",
    pilot: Annotated[list[Path] | None, typer.Option(help="Answers to a pilot: files or folders; needs --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="The key of the pilot.")] = None,
    variances: Annotated[
        str | None,
        typer.Option(help="Instead of a pilot: variances of listeners', of items' opinions of a system, and the rest."),
    ] = None,
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 20,
    each: Annotated[
        int | None, typer.Option(help="Clips of each system that a listener rates; by default all items.")
    ] = None,
    comparisons: Annotated[int, typer.Option(help="Primary comparisons, for Holm's correction.")] = 1,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
) -> None:
    """Say how many listeners a test needs, from the variances of a pilot; checked with simulated tests."""
    try:
        from vcbench.listening.analysis.planning import plan
    except ModuleNotFoundError as error:
        raise UserError(f"The planner needs {error.name}: pip install 'vcbench[listen]'.") from error

    say(console, plan(test, difference, power, alpha, comparisons, items, each, pilot or [], key, variances))


@app.command("analyse")
def listen_analyse(
    results: Annotated[list[Path], typer.Argument(help="Files of answers, or folders that contain them.")],
    key: Annotated[Path, typer.Option(help="The key that `listen build` wrote next to the bundle.")],
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default next to the key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; by default next to the key.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="The run whose tables and report get the ratings.")
    ] = None,
    ordinal: Annotated[
        bool, typer.Option("--ordinal", help="Also fit a cumulative-link mixed model to ratings in categories.")
    ] = False,
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

    printed = analyse(key, results, bundle, out, folder, ordinal)
    console.print(terminal(printed), soft_wrap=True)
