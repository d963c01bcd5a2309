"""The command line: one function per verb, without logic."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vcbench import __version__
from vcbench.base.console import say
from vcbench.base.errors import ModelUnavailable, UserError
from vcbench.base.files import PLACE
from vcbench.base.preemption import EXIT_AGAIN, ends_at_sigterm
from vcbench.cli import bench, complete, conversion, listen, lists, papers, pretrained, reports, vocoder
from vcbench.cli.options import (
    EXIT_FAILURES,
    Address,
    AllowCode,
    Assignments,
    ConfigFiles,
    CorpusName,
    CorpusRoot,
    Download,
    EngineName,
    Log,
    Preset,
    Pretrained,
    Repeated,
    Root,
    RunFolder,
    RunName,
    Strict,
    Systems,
    TrainAlso,
    assigned,
    console,
    not_defaults,
    require_training,
)

app = typer.Typer(
    help="A benchmark of voice conversion systems: train, convert, score, compare, listen.\n\n"
    "Start with `vcbench run --systems all`: it prints a leaderboard after some minutes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(listen.app, name="listen")
app.add_typer(bench.app, name="bench")
app.add_typer(vocoder.app, name="vocoder")
app.add_typer(pretrained.app, name="pretrained")

errors = Console(stderr=True)
EXIT_USER_ERROR, EXIT_INTERRUPTED = 2, 130


def main() -> None:
    """Run the command line; a user error prints a message, without a traceback, and exits with code 2."""
    try:
        app()
    except (UserError, ModelUnavailable) as error:
        say(errors, ("Error:", "bold red"), f" {error}")
        sys.exit(EXIT_USER_ERROR)
    except OSError as error:
        if error.errno not in PLACE:
            raise
        say(errors, ("Error:", "bold red"), f" {error.filename or 'A file'}: {error.strerror}. {PLACE[error.errno]}")
        sys.exit(EXIT_USER_ERROR)
    except SystemExit as stop:
        if stop.code == EXIT_INTERRUPTED:
            errors.print("Interrupted. Run the same command to continue.")
        if stop.code == EXIT_AGAIN:
            errors.print(f"Ended by SIGTERM, with exit code {EXIT_AGAIN}. Run the same command to continue.")
        raise


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if show:
        console.print(__version__)
        raise typer.Exit


@app.command()
@ends_at_sigterm()
def run(
    systems: Systems = "all",
    preset: Preset = "quick",
    name: RunName = None,
    corpus: CorpusName = None,
    corpus_root: CorpusRoot = None,
    config: ConfigFiles = None,
    assignments: Assignments = None,
    runs: Root = Path("runs"),
    strict: Strict = False,
    seeds: Annotated[int, typer.Option(min=1, help="Train with so many seeds, on the same trials.")] = 1,
    repeated: Repeated = None,
    download: Download = False,
    train_also: TrainAlso = None,
    trained: Pretrained = False,
    log: Log = None,
    engine: EngineName = None,
    address: Address = None,
    allow_code: AllowCode = False,
) -> None:
    """Train, convert, score and compare: the main command, from nothing to a leaderboard.

    The same command continues an interrupted run; `--from RUN` repeats one in a new folder; `--pretrained` trains nothing.
    """
    from vcbench.cli.repeat import repeat
    from vcbench.cli.verbs import download_corpus, print_board, run_all, run_seeds
    from vcbench.run.selection import open_run

    started = time.perf_counter()
    require_training(trained, repeated, seeds, train_also)
    if download:
        download_corpus(corpus, corpus_root)
    overlay = assigned(assignments, train_also, log=log, engine=engine, address=address)
    if repeated:
        others = not_defaults(systems=systems, preset=preset, corpus=corpus, config=config, seeds=seeds)
        return repeat(repeated, others, name, overlay, corpus_root, runs, strict)
    opened = open_run(preset, config, overlay, systems, name, corpus, corpus_root, runs, trained)
    board = run_all(opened, strict, console)
    print_board(board, opened, console, time.perf_counter() - started)
    run_seeds(opened, board, seeds, strict, console)


@app.command()
def prepare(
    corpus: CorpusName = None,
    corpus_root: CorpusRoot = None,
    download: Download = False,
    train_also: TrainAlso = None,
    preset: Preset = "quick",
    name: RunName = None,
    systems: Systems = "all",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    runs: Root = Path("runs"),
) -> None:
    """Check a corpus, compute and cache its features, and print a summary."""
    from vcbench.cli.verbs import download_corpus, prepare_corpus
    from vcbench.run.selection import open_run

    if download:
        download_corpus(corpus, corpus_root)
    named = name or (f"prepare-{corpus}" if corpus else None)
    overlay = assigned(assignments, train_also)
    prepare_corpus(open_run(preset, config, overlay, systems, named, corpus, corpus_root, runs), console)


@app.command()
@ends_at_sigterm()
def train(folder: RunFolder, systems: Systems = "all", log: Log = None, allow_code: AllowCode = False) -> None:
    """Train the systems of a prepared run."""
    from vcbench.cli.verbs import train_systems

    train_systems(folder, systems, log, console)


@app.command()
def score(
    table: Annotated[Path, typer.Argument(help="CSV: system, converted, source, target; see below.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables, the scores and copies of the recordings.")],
    preset: Preset = "quick",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    strict: Strict = False,
    allow_failures: Annotated[bool, typer.Option(help="Exit with 0 even if recordings are missing or broken.")] = False,
) -> None:
    """Score speech that vcbench did not convert, with the same metrics, reference rows and tables as a run.

    TABLE.csv has a row per converted recording. Columns: system; converted, source and target (the recording of the target
    that the system was given), paths relative to the table; optional: text (the words of the source), source_speaker,
    target_speaker, and enrolment (other recordings of the target, separated by ";", to measure similarity against).
    Any sampling rate; WAV, FLAC, Ogg, MP3, Opus, AIFF or AU. Missing and broken recordings are listed; the exit code is then 3.
    """
    from vcbench.cli.verbs import print_board, score_table

    started = time.perf_counter()
    scored, board = score_table(table, out, preset, config, assignments, strict, console)
    print_board(board, scored, console, time.perf_counter() - started)
    unusable = len(scored.failures) + len(scored.prepared.rejected)
    if unusable and not allow_failures:
        raise typer.Exit(EXIT_FAILURES)


@app.command()
@ends_at_sigterm()
def study(
    name: Annotated[
        str | None,
        typer.Argument(help="A study's name, or the path of a .toml file.", autocompletion=complete.studies),
    ] = None,
    preset: Preset = "quick",
    corpus: CorpusName = None,
    corpus_root: CorpusRoot = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per cell, each with a different seed.")] = 3,
    workers: Annotated[int, typer.Option(min=0, help="Trainings at once; 0: one per core, or one on a GPU.")] = 0,
    config: ConfigFiles = None,
    assignments: Assignments = None,
    runs: Root = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder for tables and plots; by default inside --runs.")] = None,
) -> None:
    """Reproduce a paper's table or figure: train its systems with several seeds, tabulate, plot, and check its claims.

    Without a name, list the studies. Studies share trained systems with the same preset and corpus. If interrupted, run the
    command again to continue. It writes table.md, table.csv, table.tex, plot.svg, plot.png and study.json, and for a study
    with listening tests a folder `listening`.
    """
    from vcbench.cli.study import describe, run
    from vcbench.run.selection import corpus_overlay

    if name is None:
        console.print(describe())
        return
    overlay = corpus_overlay(assignments, corpus, corpus_root)
    run(name, preset, config, overlay, seeds, workers, runs, out, console)


app.add_typer(conversion.app)
app.add_typer(reports.app)
app.add_typer(papers.app)
app.add_typer(lists.app)
