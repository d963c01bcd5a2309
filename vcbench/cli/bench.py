"""`vcbench bench`: speed on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from vcbench.base.console import say
from vcbench.base.escape import terminal
from vcbench.base.nouns import counted
from vcbench.cli import complete
from vcbench.cli.options import Assignments, ConfigFiles, Preset, Systems, assigned, console

app = typer.Typer(help="Measure speed on this machine.", no_args_is_help=True)


@app.command("train")
def bench_train(
    preset: Preset = "quick",
    systems: Systems = "all",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    threads: Annotated[int, typer.Option(help="Threads of the process; 0 is PyTorch's default.")] = 1,
    steps: Annotated[int, typer.Option(help="Timed steps, after 3 untimed ones.")] = 10,
) -> None:
    """Training steps per second of each system at the preset's sizes, next to its published code where available."""
    from vcbench.bench.speed import train
    from vcbench.run.selection import select

    rows = train(select(preset, config, assignments, systems), threads, steps)
    _print(rows, "system", "parameters", "batch", "s/step", "steps/s", "GFLOP/s (of peak)", "published code")


@app.command("convert")
def bench_convert(
    preset: Preset = "quick",
    systems: Systems = "all",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    threads: Annotated[int, typer.Option(help="Threads of the process; 0 is PyTorch's default.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Timed conversions, after one untimed one.")] = 5,
) -> None:
    """Real-time factor of each system's conversion and of the vocoder at the preset's sizes."""
    from vcbench.bench.speed import CONVERTED, convert
    from vcbench.run.selection import select

    rows = convert(select(preset, config, assignments, systems), threads, repeats)
    _print(rows, "system", "seconds of speech", "one by one", f"batch of {CONVERTED}", "vocoder")


@app.command("score")
def bench_score(
    preset: Preset = "quick",
    config: ConfigFiles = None,
    assignments: Assignments = None,
    conversions: Annotated[int, typer.Option(min=1, help="Recordings to score.")] = 200,
    seconds: Annotated[float, typer.Option(min=0.5, max=60.0, help="Length of each recording.")] = 3.0,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights",
            help="Time ECAPA and a Whisper of the size of large-v3, with random weights, instead of the preset's metrics.",
        ),
    ] = False,
) -> None:
    """The cost of scoring by metric: seconds to load it and per conversion, conversions per minute, real-time factor.

    Metrics run as in a run: on a CPU one per core at the same time, on a GPU one after another; `--set workers=1` times
    each alone. Add a metric that the preset lacks with `--set metrics.prosody={}`.
    """
    from vcbench.base.progress import shown
    from vcbench.bench import scoring as bench
    from vcbench.run import config as configuration

    settings = configuration.parse(configuration.resolve(preset, config, assignments))
    with shown("score", console) as progress:
        rows, missing = bench.score(settings, conversions, seconds, random_weights, progress)
    console.print(f"{counted(conversions, 'conversion')} of {seconds:g} s")
    _print(rows, "metric", "load (s)", "score (s)", "s each", "per minute", "real-time factor")
    for metric, reason in missing.items():
        say(console, (f"{metric} was not timed:", "yellow"), f" {reason}")


@app.command("all")
def bench_all(
    presets: Annotated[
        list[str], typer.Option("--preset", help="May be given several times.", autocompletion=complete.presets)
    ] = ["quick", "paper"],  # noqa: B006  # typer copies it
    systems: Systems = "all",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder of the table, a file for each device.")] = Path("results/bench"),
    threads: Annotated[int, typer.Option(help="Threads of the process; 0 is PyTorch's default.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Timed training steps, after 3 untimed ones.")] = 10,
    repeats: Annotated[int, typer.Option(min=1, help="Timed conversions, after one untimed one.")] = 5,
    conversions: Annotated[int, typer.Option(min=1, help="Recordings to score.")] = 64,
    seconds: Annotated[float, typer.Option(min=0.5, max=60.0, help="Length of each recording.")] = 3.0,
    random_weights: Annotated[
        bool,
        typer.Option("--random-weights", help="Also time ECAPA and Whisper large-v3 with random weights."),
    ] = False,
    remark: Annotated[str, typer.Option(help="A sentence for the table's foot, e.g. on what else ran.")] = "",
) -> None:
    """Everything in one table: training, conversion, vocoder, every installed metric; with the device's measured peaks."""
    from vcbench.base.machine import device_name, pick_device
    from vcbench.base.progress import shown
    from vcbench.bench import everything, table
    from vcbench.run.selection import select

    chosen = {preset: select(preset, None, assigned(None, None, device=device), systems) for preset in presets}
    sizes = everything.Sizes(steps, repeats, conversions, seconds)
    metrics = everything.every_metric(chosen[presets[0]])
    with shown("bench", console) as progress:
        found = everything.measure(chosen, metrics, sizes, threads, random_weights, progress)
    titles, *rows = ([row[index] for index in table.SHORT] for row in table.rows(found))
    _print(rows, *titles)
    path = table.write(out, device_name(pick_device(device)), found, sizes, threads, remark)
    say(console, f"Table: {path}")


def _print(rows: Iterable[Sequence[str]], *titles: str) -> None:
    table = Table()
    for title in titles:
        table.add_column(title, no_wrap=title == titles[0])
    for row in rows:
        table.add_row(*map(terminal, row))
    console.print(table)
