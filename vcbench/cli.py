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
EXIT_FAILURES = 3
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
    target: Annotated[
        list[Path], typer.Option("--target", help="Recording of the target voice; further ones may follow.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="FLAC or WAV file to write.")],
    system: Annotated[str | None, typer.Option(help="Which system of the run.")] = None,
    folder: Annotated[Path | None, typer.Option("--run", help="The run that trained it.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Instead of --run and --system: a checkpoint.safetensors, e.g. an imported one.")
    ] = None,
    more_targets: Annotated[list[Path] | None, typer.Argument(help="Further recordings of the target.")] = None,
) -> None:
    """Convert any recording to any voice: SOURCE.wav --target REF.wav [REF2.wav ...] -o OUT.wav.

    By a system of a run (--run, --system), with the run's vocoder; or by a checkpoint alone, with Griffin-Lim.
    """
    from vcbench import command

    converter = command.open_converter(folder, system, checkpoint)
    command.convert_files(converter, source, [*target, *(more_targets or [])], output)
    console.print(f"Wrote {output}")


@app.command()
def score(
    table: Annotated[Path, typer.Argument(help="CSV: system, converted, source, target; see below.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables, the scores and copies of the recordings.")],
    preset: Preset = "quick",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    strict: Annotated[bool, typer.Option(help="A metric whose model is not here is an error.")] = False,
    allow_failures: Annotated[bool, typer.Option(help="Exit with 0 though recordings are missing or broken.")] = False,
) -> None:
    """Score converted speech that vcbench did not make, with the same metrics, reference rows and tables as a run.

    TABLE.csv has a row per converted recording. Columns: system; converted, source and target (the recording of the target
    that the system was given), paths relative to the table; optional: text (what the source says), source_speaker,
    target_speaker, and enrolment (other recordings of the target, separated by ";", that similarity is measured against).
    Any sampling rate; WAV, FLAC, Ogg, MP3 or Opus. Missing and broken recordings are listed, and make the exit code 3.
    """
    from vcbench import command

    started = time.perf_counter()
    scored, board = command.score_table(table, out, preset, config, assignments, strict, console)
    command.print_board(board, scored, console, time.perf_counter() - started)
    unusable = len(scored.failures) + len(scored.prepared["rejected"])
    if unusable and not allow_failures:
        raise typer.Exit(EXIT_FAILURES)


@app.command()
def report(folder: RunFolder) -> None:
    """Write the report of a scored run anew: tables, plots, comparisons, and recordings to listen to, on one HTML page."""
    from vcbench import command

    console.print(f"Wrote {command.report(folder)}")


@app.command()
def study(
    name: Annotated[str | None, typer.Argument(help="A study's name, or the path of a .toml file.")] = None,
    preset: Preset = "quick",
    corpus: CorpusName = None,
    corpus_root: CorpusRoot = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each cell, each with a seed of its own.")] = 3,
    workers: Annotated[int, typer.Option(min=0, help="Trainings at once; 0: one per core, on a GPU one.")] = 0,
    config: ConfigFiles = None,
    assignments: Assignments = None,
    runs: Root = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder for tables and plots; by default within --runs.")] = None,
) -> None:
    """Answer a paper's table or figure: train its systems under several seeds, tabulate, draw, and answer its claims.

    Without a name, list the studies. What any study has trained for a preset and corpus is used again by the others, and the
    same command goes on from where it was interrupted. It writes table.md, table.csv, table.tex, plot.svg, plot.png and
    study.json.
    """
    from vcbench import command, study_command

    if name is None:
        console.print(study_command.describe())
        return
    overlay = command.corpus_overlay(assignments, corpus, corpus_root)
    study_command.run(name, preset, config, overlay, seeds, workers, runs, out, console)


@app.command("import")
def import_checkpoint(
    system: Annotated[str, typer.Argument(help="Whose published checkpoint it is, e.g. again-vc.")],
    file: Annotated[Path, typer.Argument(help="The published checkpoint.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write checkpoint.safetensors to.")],
    activation: Annotated[
        str | None, typer.Option(help="What it was trained with, which no file says: sigmoid.")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="The sigmoid's factor; 0.1, if left out.")] = None,
    gru_over_time: Annotated[
        bool, typer.Option(help="Run the GRU over time; published weights were trained with it over the batch.")
    ] = False,
) -> None:
    """Turn a checkpoint of a system's published code into one of ours, without running code from the file.

    Use the result with `vcbench convert SOURCE.wav --checkpoint DIR/checkpoint.safetensors --target REF.wav -o OUT.wav`.
    """
    from vcbench import command

    settings = {"activation": activation, "alpha": alpha, "gru_over_batch": False if gru_over_time else None}
    console.print(f"Wrote {command.import_checkpoint(system, file, output, settings)}")


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
    test: Annotated[str, typer.Option(help="mos, similarity-mos, preference or mushra.")],
    out: Annotated[Path, typer.Option(help="Folder to write; the key goes beside it, outside.")],
    items: Annotated[int, typer.Option(help="Trials in the test.")] = 6,
    listeners: Annotated[int, typer.Option(help="Sheets to write, one for each.")] = 20,
    per_item: Annotated[int, typer.Option(help="Listeners that rate each clip.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides choice, order and sheets.")] = 0,
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
    from vcbench.listening.bundle import build
    from vcbench.listening.options import Options, pair
    from vcbench.run import Run

    options = Options(
        items=items,
        listeners=listeners,
        per_item=per_item,
        seed=seed,
        rows=tuple(rows.split(",")) if rows else None,
        training=training,
        traps=traps,
        gold=gold,
        no_preference=no_preference,
        contrast=pair(contrast),
        language=language,
        consent=consent.read_text(encoding="utf-8") if consent else None,
        collector=collector,
    )
    key = build(Run.open(folder), test, out, options)
    console.print(f"Wrote {out}. The key is {key}: keep it away from listeners.")


@listen_app.command("serve")
def listen_serve(
    bundle: Annotated[Path, typer.Argument(help="Folder that `listen build` wrote.")],
    results: Annotated[Path, typer.Option(help="Folder that answers are kept in, a file each.")],
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines.")] = "127.0.0.1",
) -> None:
    """Serve a listening test and collect its answers."""
    try:
        from vcbench.listening import server
    except ModuleNotFoundError as error:
        raise UserError(f"The collecting server needs {error.name}: pip install 'vcbench[listen]'.") from error

    console.print(f"Serving {bundle} at http://{host}:{port}/; answers go to {results}. Ctrl-C ends it.")
    server.serve(bundle, results, host, port)


@listen_app.command("analyse")
def listen_analyse(
    results: Annotated[list[Path], typer.Argument(help="Files of answers, or folders of them.")],
    key: Annotated[Path, typer.Option(help="The key that `listen build` wrote beside the bundle.")],
    bundle: Annotated[Path | None, typer.Option(help="The bundle; by default beside the key.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report; by default beside the key.")] = None,
    folder: Annotated[Path | None, typer.Option("--run", help="A run to write listening.md and .json to.")] = None,
) -> None:
    """Analyse a listening test as its plan says: screening, intervals, tests, a mixed model, plots, a paragraph.

    Reads our page's JSON, webMUSHRA's CSV files, pymushra's database and CSV file, and a plain table with the columns
    listener, item, system, rating. With --run, what was heard stands beside what the metrics predicted.
    """
    try:
        from vcbench.listening import analysis_command
    except ModuleNotFoundError as error:
        raise UserError(f"The analysis needs {error.name}: pip install 'vcbench[listen]'.") from error

    printed = analysis_command.analyse(key, results, bundle, out, folder)
    console.print(printed, markup=False, highlight=False, soft_wrap=True)


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
    table = Table("system", "parameters", "batch", "s/step", "steps/s", "GFLOP/s (of peak)", "published code")
    for row in rows:
        table.add_row(*row)
    console.print(table)


@bench_app.command("convert")
def bench_convert(
    preset: Preset = "quick",
    systems: Systems = "all",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    threads: Annotated[int, typer.Option(help="Threads of the process; 0 is PyTorch's default.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Conversions that are timed, after one that is not.")] = 5,
) -> None:
    """Real-time factor of each system's conversion and of the vocoder at the preset's sizes."""
    from vcbench import bench, command

    rows = bench.convert(command.select(preset, config, assignments, systems), threads, repeats)
    table = Table("system", "seconds of speech", "one by one", f"batch of {bench.CONVERTED}", "vocoder")
    for row in rows:
        table.add_row(*row)
    console.print(table)
