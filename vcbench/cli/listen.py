"""`vcbench listen`: build a listening test, collect its answers and analyse them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vcbench.base.errors import UserError
from vcbench.cli.options import RunFolder, console
from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.paragraph import paragraph
from vcbench.listening.analysis.report import write
from vcbench.listening.answers.key import open_key
from vcbench.listening.kinds import SUFFIX

if TYPE_CHECKING:
    from vcbench.listening.options import Options


app = typer.Typer(help="Blinded listening tests.", no_args_is_help=True)


@app.command("build")
def listen_build(
    folder: RunFolder,
    test: Annotated[str, typer.Option(help="mos, similarity-mos, preference or mushra.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes next to it, not in it.")],
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
    language: Annotated[str, typer.Option(help="Language of the page and of webMUSHRA's files: en or de.")] = "en",
    consent: Annotated[Path | None, typer.Option(help="File with the consent text, instead of a template.")] = None,
    collector: Annotated[str | None, typer.Option(help="URL to which the page sends answers.")] = None,
) -> None:
    """Write a blinded listening test: page, level-matched clips, sheets, webMUSHRA files, and a separate key."""
    from vcbench.listening.options import Options, pair

    options = Options(
        items=items, listeners=listeners, per_item=per_item, seed=seed, condition=condition,
        rows=tuple(rows.split(",")) if rows else None, training=training, traps=traps, gold=gold,
        no_preference=no_preference, contrast=pair(contrast), language=language,
        consent=consent.read_text(encoding="utf-8") if consent else None, collector=collector,
    )  # fmt: skip
    key = build(Run.open(folder), test, out, options)
    console.print(f"Wrote {out}. The key is {key}: do not give it to listeners.")


@app.command("serve")
def listen_serve(
    bundle: Annotated[Path, typer.Argument(help="Folder that `listen build` wrote.")],
    results: Annotated[Path, typer.Option(help="Folder for the answers, one file per session.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines.")] = "127.0.0.1",
) -> None:
    """Serve a listening test and collect its answers."""
    try:
        from vcbench.listening.answers import server
    except ModuleNotFoundError as error:
        raise UserError(f"The server of listening tests needs {error.name}: pip install 'vcbench[listen]'.") from error

    console.print(f"Serving {bundle} at http://{host}:{port}/; answers go to {results}. Press Ctrl-C to stop.")
    server.serve(bundle, results, host, port)


@app.command("analyse")
def listen_analyse(
    results: Annotated[list[Path], typer.Argument(help="Files of answers, or folders that contain them.")],
    key: Annotated[Path, typer.Option(help="The key that `listen build` wrote next to the bundle.")],
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default next to the key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; by default next to the key.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--run", help="The run whose tables and report get the ratings.")
    ] = None,
) -> None:
    """Analyse a listening test according to its plan: screening, intervals, tests, a mixed model, plots, a paragraph.

    Reads the JSON of vcbench's page, webMUSHRA's CSV files, pymushra's database and CSV file, and a plain table with the
    columns listener, item, system, rating. With --run, the ratings are added to the run's leaderboard and report, next to
    the metrics' predictions; they stay there when these are rewritten.
    """
    try:
        pass
    except ModuleNotFoundError as error:
        raise UserError(f"The analysis needs {error.name}: pip install 'vcbench[listen]'.") from error

    printed = analyse(key, results, bundle, out, folder)
    console.print(printed, markup=False, highlight=False, soft_wrap=True)


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
