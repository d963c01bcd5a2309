"""The command line: one function per verb, no logic of its own."""

from __future__ import annotations

import errno
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vcbench import __version__
from vcbench.errors import UserError
from vcbench.metric import MetricUnavailable

app = typer.Typer(
    help="A benchmark of voice conversion systems: train, convert, score, compare, listen.\n\n"
    "Start with `vcbench run --systems all`: some minutes later it prints a leaderboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
listen_app = typer.Typer(help="Blinded listening tests.", no_args_is_help=True)
bench_app = typer.Typer(help="How fast the parts are on this machine.", no_args_is_help=True)
app.add_typer(listen_app, name="listen")
app.add_typer(bench_app, name="bench")
console = Console()
errors = Console(stderr=True)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130

Preset = Annotated[str, typer.Option(help="Settings to start from: quick (CPU, minutes, offline) or paper.")]
ConfigFiles = Annotated[list[Path] | None, typer.Option("--config", help="TOML file laid over the preset; repeatable.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="One setting, e.g. systems.again_vc.hidden=64.")]
Systems = Annotated[str, typer.Option(help="all, or names with commas; ./my_system.py:MySystem takes one from a file.")]
RunName = Annotated[str | None, typer.Option("--name", help="The run's name; by default the preset's.")]
Root = Annotated[Path, typer.Option("--runs", help="Folder that holds the runs.")]
CorpusName = Annotated[
    str | None, typer.Option("--corpus", help="mini, vctk, librispeech, libritts, cmu_arctic or folder.")
]
CorpusRoot = Annotated[Path | None, typer.Option("--corpus-root", help="Where the corpus lies.")]
RunFolder = Annotated[Path, typer.Argument(help="A run's folder, e.g. runs/quick.")]


def main() -> None:
    """Run the command line; a user's error is a message and exit code 2, not a traceback."""
    try:
        app()
    except (UserError, MetricUnavailable) as error:
        errors.print(f"[bold red]Error:[/] {escape(str(error))}")
        sys.exit(EXIT_USER_ERROR)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        errors.print(
            f"[bold red]Error:[/] The disk is full ({error}). Free some space and start the same command again."
        )
        sys.exit(EXIT_USER_ERROR)
    except SystemExit as stop:
        if stop.code == EXIT_INTERRUPTED:
            errors.print("Interrupted. The same command goes on from here.")
        raise


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if show:
        console.print(__version__)
        raise typer.Exit


@app.command()
def run(
    systems: Systems = "all",
    preset: Preset = "quick",
    name: RunName = None,
    corpus: CorpusName = None,
    corpus_root: CorpusRoot = None,
    config: ConfigFiles = None,
    assignments: Assignments = None,
    runs: Root = Path("runs"),
    strict: Annotated[bool, typer.Option(help="A metric whose model is not here is an error.")] = False,
) -> None:
    """Train, convert, score and compare: the main job, from nothing to a leaderboard.

    Every stage leaves its files in the run's folder. Started again, the command skips what is done and goes on from where
    it was interrupted. With --name, --corpus or --set the same command runs anything else.
    """
    from vcbench import command

    started = time.perf_counter()
    opened = command.open_run(preset, config, assignments, systems, name, corpus, corpus_root, runs)
    board = command.run_all(opened, strict, console)
    command.print_board(board, opened, console, time.perf_counter() - started)


@app.command()
def prepare(
    corpus: CorpusName = None,
    corpus_root: CorpusRoot = None,
    download: Annotated[
        bool, typer.Option(help="Download the corpus to --corpus-root first, where that is allowed.")
    ] = False,
    preset: Preset = "quick",
    name: RunName = None,
    systems: Systems = "all",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    runs: Root = Path("runs"),
) -> None:
    """Check a corpus, compute and cache its features, and say what is in it."""
    from vcbench import command

    if download:
        command.download_corpus(corpus, corpus_root)
    opened = command.open_run(
        preset, config, assignments, systems, name or _corpus_run(corpus), corpus, corpus_root, runs
    )
    command.prepare(opened, console)


def _corpus_run(corpus: str | None) -> str | None:
    return f"prepare-{corpus}" if corpus else None


@app.command()
def train(folder: RunFolder, systems: Systems = "all") -> None:
    """Train the systems of a prepared run."""
    from vcbench import command

    command.train(folder, systems, console)


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Recording to convert.")],
    system: Annotated[str, typer.Option(help="Which system of the run.")],
    folder: Annotated[Path, typer.Option("--run", help="The run that trained it.")],
    target: Annotated[
        list[Path], typer.Option("--target", help="Recording of the target voice; further ones may follow.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="FLAC or WAV file to write.")],
    more_targets: Annotated[list[Path] | None, typer.Argument(help="Further recordings of the target.")] = None,
) -> None:
    """Convert any recording to any voice: SOURCE.wav --target REF.wav [REF2.wav ...] -o OUT.wav."""
    from vcbench import command

    command.convert_files(folder, system, source, [*target, *(more_targets or [])], output)
    console.print(f"Wrote {output}")


@app.command()
def systems() -> None:
    """List the installed systems."""
    from vcbench import command

    console.print(command.describe("systems"))


@app.command()
def metrics() -> None:
    """List the installed metrics and their columns."""
    from vcbench import command

    console.print(command.describe("metrics"))


@app.command()
def doctor() -> None:
    """Print device, versions, which weights and corpora are here, and what each missing one costs."""
    from vcbench import doctor as examination

    for table in examination.examine():
        console.print(table)


@listen_app.command("build")
def listen_build(
    folder: RunFolder,
    test: Annotated[str, typer.Option(help="mushra, mos or similarity.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes beside it, outside.")],
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 6,
    seed: Annotated[int, typer.Option(help="Decides choice, order and codes.")] = 0,
) -> None:
    """Write a blinded listening test: level-matched clips, a webMUSHRA configuration, a manifest, and the key outside."""
    from vcbench.listening.bundle import build
    from vcbench.run import Run

    key = build(Run.open(folder), test, out, items, seed)
    console.print(f"Wrote {out}. The key is {key}: keep it away from listeners.")


@bench_app.command("train")
def bench_train(
    preset: Preset = "quick",
    systems: Systems = "all",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    threads: Annotated[int, typer.Option(help="Threads of the process; 0 is PyTorch's default.")] = 1,
    steps: Annotated[int, typer.Option(help="Steps that are timed, after 3 that are not.")] = 10,
) -> None:
    """Training steps per second of each system at the preset's sizes, side by side with published code where there is some."""
    from vcbench import bench, command

    rows = bench.train(command.select(preset, config, assignments, systems), threads, steps)
    table = Table("system", "parameters", "batch", "s/step", "steps/s", "GFLOP/s", "published code")
    for row in rows:
        table.add_row(*row)
    console.print(table)
