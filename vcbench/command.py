"""What the verbs of the command line do, with their progress bars."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from vcbench import audio, leaderboard, pipeline, registry
from vcbench import config as configuration
from vcbench.config import RunConfig
from vcbench.conversion import convert_waves
from vcbench.corpora.corpus import Speaker, Utterance
from vcbench.engines import Progress
from vcbench.errors import UserError
from vcbench.run import Run
from vcbench.vocoders import load_vocoder


def select(preset: str, files: list[Path] | None, assignments: list[str] | None, systems: str) -> RunConfig:
    """A preset with its overlays, and of its systems those that were asked for."""
    values = configuration.resolve(preset, files, assignments)
    chosen: dict[str, Any] = {}
    for name in [part.strip() for part in systems.split(",") if part.strip()]:
        if name == "all":
            chosen |= values["systems"]
        elif name in values["systems"]:
            chosen[name] = values["systems"][name]
        elif ".py:" in name:
            registry.load("systems", name)
            chosen[registry.row_name(name)] = {"system": str(Path(name).expanduser().resolve())}
        else:
            registry.load("systems", name)
            chosen[name] = {}
    if not chosen:
        raise UserError("--systems names no system; use all, or names with commas. `vcbench systems` lists them.")
    return configuration.parse(values | {"systems": chosen})


def open_run(
    preset: str,
    files: list[Path] | None,
    assignments: list[str] | None,
    systems: str,
    name: str | None,
    corpus: str | None,
    corpus_root: Path | None,
    runs: Path,
) -> Run:
    """Resolve the settings, check them, and make or reopen the run's folder."""
    overlay = list(assignments or [])
    if corpus:
        overlay.append(f"corpus.name={json.dumps(corpus)}")
    if corpus_root:
        overlay.append(f"corpus.root={json.dumps(str(corpus_root.expanduser().resolve()))}")
    if name or corpus:
        overlay.append(f"name={json.dumps(name or f'{preset}-{corpus}')}")
    config = select(preset, files, overlay, systems)
    return Run.create(runs / config.name, config)


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """Progress bars, a line per job; lines go when done, so that the screen holds what matters."""
    shown = Bars(
        TextColumn("{task.description:24}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"), console=console, transient=True,
    )  # fmt: skip
    tasks: dict[str, Any] = {}

    def progress(name: str, done: int, total: int, note: str = "") -> None:
        if name not in tasks:
            tasks[name] = shown.add_task(name, total=total, note=note)
        shown.update(tasks[name], completed=done, total=total, note=note, visible=done < total)

    with shown:
        yield progress


def run_all(run: Run, strict: bool, console: Console) -> leaderboard.Leaderboard:
    """Every stage in turn; says what each did and how long it took."""
    missing = pipeline.check_metrics(run, strict)
    for metric, reason in missing.items():
        console.print(f"[yellow]{metric} is left out:[/] {escape(reason)}")
    if run.corpus.synthetic:
        console.print(
            f"Corpus [bold]{run.corpus.name}[/] is synthetic speech: its figures rank nothing but themselves."
        )
    times: dict[str, float] = {}
    stages = (
        ("prepare", lambda progress: pipeline.prepare(run, progress)),
        ("train", lambda progress: pipeline.train(run, run.systems, progress)),
        ("convert", lambda progress: pipeline.convert(run, progress)),
        ("score", lambda progress: pipeline.score(run, missing, progress)),
    )
    for stage, work in stages:
        started = perf_counter()
        with bars(console) as progress:
            work(progress)
        times[stage] = perf_counter() - started
        console.print(f"{stage:8} {times[stage]:6.1f} s")
        if stage == "prepare":
            _print_rejected(run, console)
    return pipeline.publish(run, missing, times)


def _print_rejected(run: Run, console: Console) -> None:
    rejected = run.prepared["rejected"]
    if rejected:
        console.print(f"[yellow]{len(rejected)} recordings rejected[/] (all are in {run.folder / 'prepared.json'}):")
        for identity, reason in rejected[:5]:
            console.print(f"  {identity}: {escape(reason)}")


def print_board(board: leaderboard.Leaderboard, run: Run, console: Console, seconds: float) -> None:
    console.print(leaderboard.render(board))
    failures = len(run.failures)
    if failures:
        console.print(
            f"[red]{failures} conversions failed[/]: they are counted in the table, their errors are in converted/."
        )
    console.print(f"Done in {seconds:.0f} s. Tables and audio: {run.folder}")


def prepare(run: Run, console: Console) -> None:
    """The `prepare` verb: check, features, trials, and a summary of the corpus."""
    with bars(console) as progress:
        pipeline.prepare(run, progress)
    _print_rejected(run, console)
    parts = run.split
    table = Table("part", "speakers", "utterances", "hours", title=f"{run.corpus.name}: {escape(run.corpus.licence)}")
    rate = run.config.features.mel.sampling_rate
    for name, utterances in (("training", parts.training), ("held out", parts.held_out), ("unseen", parts.unseen)):
        frames = sum(utterance.mel.shape[-1] for utterance in utterances)
        hours = frames * run.config.features.mel.hop / rate / 3600
        table.add_row(name, str(len({u.speaker for u in utterances})), str(len(utterances)), f"{hours:.2f}")
    console.print(table)
    fallbacks = run.prepared["fallbacks"]
    if fallbacks:
        console.print(f"{len(fallbacks)} utterances have phones by recognition instead of alignment.")
    console.print(f"{len(run.trials)} trials in {run.folder / 'trials.parquet'}")


def download_corpus(corpus: str | None, root: Path | None) -> None:
    from vcbench.corpora.download import download

    if not corpus or not root:
        raise UserError("--download needs --corpus NAME and --corpus-root DIR, the folder to download to.")
    download(corpus, root)


def train(folder: Path, systems: str, console: Console) -> None:
    run = Run.open(folder)
    rows = run.systems if systems == "all" else [name.strip() for name in systems.split(",")]
    for row in rows:
        if row not in run.systems:
            raise UserError(f"{folder} has no system {row!r}.{registry.did_you_mean(row, run.systems)}")
    with bars(console) as progress:
        pipeline.prepare(run, progress)
        pipeline.train(run, rows, progress)
    console.print(f"Trained: {', '.join(rows)}")


def convert_files(folder: Path, row: str, source: Path, targets: list[Path], output: Path) -> None:
    """Convert one recording with a trained system of a run, and write FLAC or WAV."""
    run = Run.open(folder)
    if row not in run.systems:
        raise UserError(f"{folder} has no system {row!r}.{registry.did_you_mean(row, run.systems)}")
    if output.suffix.lower() not in (".flac", ".wav"):
        raise UserError(f"-o {output}: the output is FLAC or WAV; end its name in .flac or .wav.")
    recordings = [Utterance(f"file/{path.stem}", "target", path).with_features(run.store) for path in targets]
    spoken = Utterance(f"file/{source.stem}", "source", source).with_features(run.store)
    system = run.load_system(row)
    vocoder = load_vocoder(run.config.vocoder, run.config.features.mel, run.device)
    costs = {"conversion_seconds": 0.0, "vocoder_seconds": 0.0}
    wave = convert_waves(system, [spoken], [Speaker("target", tuple(recordings))], vocoder, costs)[0]
    audio.write(output, wave.detach().cpu().numpy(), run.config.features.mel.sampling_rate)


def describe(kind: registry.Kind) -> Table:
    """The installed systems or metrics: name, what it is, and a metric's columns."""
    table = Table()
    table.add_column(kind[:-1], no_wrap=True)
    for title in ("what it is", *(["columns"] if kind == "metrics" else [])):
        table.add_column(title)
    for name in registry.names(kind):
        loaded = registry.load(kind, name)
        summary = (loaded.__doc__ or "").strip().split("\n")[0]
        table.add_row(name, summary, *([", ".join(loaded.columns)] if kind == "metrics" else []))
    return table
