"""What the verbs of the command line do, with their progress bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vcbench.api import registry
from vcbench.base.console import print_missing, say
from vcbench.base.errors import UserError, did_you_mean
from vcbench.base.escape import terminal
from vcbench.base.nouns import counted
from vcbench.base.progress import shown, stage
from vcbench.base.tracking import require_tracker
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.publish import publish, render, tabulate, unscored
from vcbench.reporting.seeds import over_seeds, seed_lines, write_seeds
from vcbench.run import config as configuration
from vcbench.run.run import Run
from vcbench.stages.convert import convert
from vcbench.stages.external import import_table
from vcbench.stages.pipeline import train_and_convert
from vcbench.stages.prepare import prepare
from vcbench.stages.score import check_metrics, score
from vcbench.stages.train import train_rows


def run_all(run: Run, strict: bool, console: Console) -> Leaderboard:
    """Every stage in turn; says what each did and how long it took."""
    missing = check_metrics(run, strict)
    print_missing(missing, console)
    if run.corpus.synthetic:
        say(
            console,
            "Corpus ",
            (run.corpus.title, "bold"),
            " is synthetic speech: its figures rank nothing but themselves.",
        )
    times: dict[str, float] = {}
    with stage("prepare", times, console) as progress:
        prepare(run, progress)
    _print_rejected(run, console)
    with stage("train and convert", times, console) as progress:
        train_and_convert(run, progress)
    return _score(run, missing, times, console)


def run_seeds(run: Run, board: Leaderboard, seeds: int, strict: bool, console: Console) -> None:
    """Train the run again with further seeds, if any, each in a folder of its own, and tabulate mean and spread over seeds."""
    if seeds == 1:
        return
    boards = {run.config.seed: board}
    for seed in range(run.config.seed + 1, run.config.seed + seeds):
        name = f"{run.config.name}-seed-{seed}"
        config = run.config.model_copy(update={"seed": seed, "name": name})
        say(console, f"Seed {seed}: {run.folder.with_name(name)}")
        boards[seed] = run_all(Run.create(run.folder.with_name(name), config), strict, console)
    table = over_seeds(boards)
    path = write_seeds(table, list(boards), run.files)
    console.print(Text("\n".join(seed_lines(table, list(boards)))))
    say(console, f"Mean and spread over seeds: {path}")


def _score(run: Run, missing: dict[str, str], times: dict[str, float], console: Console) -> Leaderboard:
    with stage("score", times, console) as progress:
        score(run, missing, progress)
    return publish(run, missing, times)


def score_table(
    table: Path,
    out: Path,
    preset: str,
    files: list[Path] | None,
    assignments: list[str] | None,
    strict: bool,
    console: Console,
) -> tuple[Run, Leaderboard]:
    """Score audio that vcbench did not make; says what of it cannot be used."""
    run = import_table(table, out, configuration.resolve(preset, files, assignments))
    missing = check_metrics(run, strict)
    print_missing(missing, console)
    _print_rejected(run, console)
    times: dict[str, float] = {}
    with stage("convert", times, console) as progress:
        convert(run, progress)
    board = _score(run, missing, times, console)
    for failure in run.failures.itertuples():
        say(console, (f"{failure.system}, trial {failure.trial}:", "red"), f" {failure.error}")
    return run, board


def report(folder: Path, single_file: bool = False) -> Path:
    """Write the report of what a run's scores are now."""
    from vcbench.reporting.report.page import write_report  # here, because what draws takes seconds to import

    run = Run.open(folder)
    return write_report(run, tabulate(run, unscored(run)), single_file)


def report_folder(folders: Sequence[Path], out: Path, single_file: bool = False) -> Path:
    """Write the reports of runs, with what they play, to a folder; its first page."""
    from vcbench.reporting.compare import run_names
    from vcbench.reporting.folder import write_folder

    runs = {name: Run.open(folder) for name, folder in zip(run_names(folders), folders, strict=True)}
    return write_folder({name: (run, tabulate(run, unscored(run))) for name, run in runs.items()}, out, single_file)


def _print_rejected(run: Run, console: Console) -> None:
    rejected = run.prepared.rejected
    if rejected:
        say(
            console,
            (f"{counted(len(rejected), 'recording')} rejected", "yellow"),
            f" (all are in {run.files.prepared}):",
        )
        for identity, reason in rejected[:5]:
            say(console, f"  {identity}: {reason}")


def print_board(board: Leaderboard, run: Run, console: Console, seconds: float) -> None:
    console.print(render(board))
    failures = len(run.failures)
    if failures:
        say(
            console,
            (f"{counted(failures, 'conversion')} failed", "red"),
            ": counted in the table; errors are in converted/.",
        )
    say(console, f"Done in {seconds:.0f} s. Tables, audio and report.html: {run.folder}")


def prepare_corpus(run: Run, console: Console) -> None:
    """The `prepare` verb: check, features, trials, and a summary of the corpus."""
    with shown("prepare", console) as progress:
        prepare(run, progress)
    _print_rejected(run, console)
    parts = run.split
    title = terminal(f"{run.corpus.title}: {run.corpus.licence}", "table.title")
    table = Table("part", "speakers", "utterances", "hours", title=title)
    rate = run.config.features.mel.sampling_rate
    for name, utterances in (("training", parts.training), ("held out", parts.held_out), ("unseen", parts.unseen)):
        frames = sum(utterance.mel.shape[-1] for utterance in utterances)
        hours = frames * run.config.features.mel.hop / rate / 3600
        table.add_row(name, str(len({u.speaker for u in utterances})), str(len(utterances)), f"{hours:.2f}")
    console.print(table)
    for line in run.notes:
        say(console, line)
    say(console, f"{counted(len(run.trials), 'trial')} in {run.files.trials}")


def download_corpus(corpus: str | None, root: Path | None) -> None:
    from vcbench.speech.corpora.download import download

    if not corpus or not root:
        raise UserError("--download needs --corpus NAME and --corpus-root DIR, the folder to download to.")
    download(corpus, root)


def train_systems(folder: Path, systems: str, log: str | None, console: Console) -> None:
    run = Run.open(folder)
    if log:
        run = Run.create(folder, configuration.parse(configuration.plain(run.config) | {"log": log}))
    require_tracker(run.config.log)
    rows = run.systems if systems == "all" else [name.strip() for name in systems.split(",")]
    for row in rows:
        if row not in run.systems:
            raise UserError(f"{folder} has no system {row!r}.{did_you_mean(row, run.systems)}")
    with shown("prepare and train", console) as progress:
        prepare(run, progress)
        train_rows(run, rows, progress)
    say(console, f"Trained: {', '.join(rows)}")


def describe(kind: registry.Kind) -> Table:
    """The installed systems or metrics: name, what it is, and a metric's columns."""
    table = Table()
    table.add_column(kind[:-1], no_wrap=True)
    for title in ("what it is", *(["columns"] if kind == "metrics" else [])):
        table.add_column(title)
    for name in registry.names(kind):
        loaded = registry.load(kind, name)
        summary = getattr(loaded, "summary", "") or (loaded.__doc__ or "").strip().split("\n")[0]
        cells = [name, summary, *([", ".join(loaded.columns)] if kind == "metrics" else [])]
        table.add_row(*map(terminal, cells))
    return table
