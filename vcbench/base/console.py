"""Progress bars on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from vcbench.base.escape import terminal, visible
from vcbench.base.jobs import Progress


def say(console: Console, *parts: str | tuple[str, str]) -> None:
    """Print a line as it is: nothing in it is markup. A part that has a style is a pair of text and style."""
    console.print(Text.assemble(*(terminal(part) if isinstance(part, str) else terminal(*part) for part in parts)))


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """Progress bars, a line per job; lines go when done, so that the screen holds what matters."""
    shown = Bars(
        TextColumn("{task.description:24}", markup=False), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False), console=console, transient=True,
    )  # fmt: skip
    tasks: dict[str, Any] = {}

    def progress(name: str, done: int, total: int, note: str = "") -> None:
        if name not in tasks:
            tasks[name] = shown.add_task(visible(name), total=total, note="")
        shown.update(tasks[name], completed=done, total=total, note=visible(note), visible=done < total)

    with shown:
        yield progress


def print_missing(missing: dict[str, str], console: Console) -> None:
    """Say which metrics are left out, and why."""
    for metric, reason in missing.items():
        say(console, (f"{metric} is left out:", "yellow"), f" {reason}")


@contextmanager
def stage(name: str, times: dict[str, float], console: Console) -> Iterator[Progress]:
    """Bars while a stage works, then a line with its seconds, which are also put in `times`."""
    started = perf_counter()
    with bars(console) as progress:
        yield progress
    times[name] = perf_counter() - started
    say(console, f"{name:17} {times[name]:6.1f} s")
