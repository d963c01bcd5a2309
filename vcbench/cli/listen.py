"""`vcbench listen`: build a listening test, collect its answers, analyse them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.escape import terminal
from vcbench.cli.options import RunFolder, console
from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.paragraph import paragraph
from vcbench.listening.analysis.report import write
from vcbench.listening.answers.key import open_key
from vcbench.listening.kinds import SUFFIX

app = typer.Typer(help="Blinded listening tests.", no_args_is_help=True)


@app.command("build")
def listen_build(
    folder: RunFolder,
    test: Annotated[str, typer.Option(help="mos, similarity-mos, preference or mushra.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes beside it, outside.")],
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 6,
    listeners: Annotated[int, typer.Option(help="Sheets to write, one for each.")] = 20,
    per_item: Annotated[int, typer.Option(help="Listeners that rate each clip.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides choice, order and sheets.")] = 0,
    condition: Annotated[str | None, typer.Option(help="Take trials of this one alone.")] = None,
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
    key: Annotated[Path, typer.Option(help="The key that `listen build` wrote beside the bundle.")],
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default beside the key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; by default beside the key.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="The run, whose tables and report get the answers.")
    ] = None,
) -> None:
    """Analyse a listening test as its plan says: screening, intervals, tests, a mixed model, plots, a paragraph.

    Reads our page's JSON, webMUSHRA's CSV files, pymushra's database and CSV file, and a plain table with the columns
    listener, item, system, rating. With --run, the run's leaderboard and report have what was heard beside what its metrics predict,
    now and whenever they are made anew.
    """
    try:
        pass
    except ModuleNotFoundError as error:
        raise UserError(f"The analysis needs {error.name}: pip install 'vcbench[listen]'.") from error

    printed = analyse(key, results, bundle, out, folder)
    console.print(terminal(printed), soft_wrap=True)


def analyse(key: Path, results: Sequence[Path], bundle: Path | None, out: Path | None, run: Path | None) -> str:
    """Analyse, write, and return what to print: notes, caveats, the paragraph, and where the files are.

    Args:
        out: by default a folder beside the key, named after the bundle.
        run: the folder of the run that was heard, whose leaderboard and report get the answers.

    Raises:
        ListeningError: a key, bundle, answers or run that do not go together; then nothing is written.
    """
    key = key.resolve()
    out = out or key.with_name(f"{key.name.removesuffix(SUFFIX)}.analysis")
    analysis = analyse_test(open_key(key, bundle), results)
    wrote = [f"Wrote {out / 'analysis.md'}."]
    if run is None:
        write(analysis, out)
    else:
        from vcbench.listening.analysis.publish import (  # here, because a run takes seconds to import
            merge,
            open_rated_run,
        )

        heard = open_rated_run(analysis, run)
        write(analysis, out)
        merge(analysis, heard)
        wrote.append(f"Wrote {run / 'leaderboard.md'} and {run / 'report.html'} anew.")
    screened = [
        f"Screened: listener {row.listener}, {row.rule} ({row.found})." for row in analysis.screened.itertuples()
    ]
    caveats = [f"Mind: {caveat}" for caveat in analysis.caveats]
    return "\n".join([*analysis.reading.notes, *screened, *caveats, "", paragraph(analysis), "", *wrote])
