"""How far the work is: bars on a terminal; lines, at most one a minute, in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from vcbench.base.console import say
from vcbench.base.escape import visible
from vcbench.base.jobs import Progress

LINE_SECONDS = 60.0  # between lines of a log


@contextmanager
def shown(name: str, console: Console) -> Iterator[Progress]:
    """Show how far the jobs of `name`, a stage, are."""
    if console.is_terminal:
        with _bars(console) as progress:
            yield progress
    else:
        say(console, f"{name}: started")
        yield Lines(name, console)


@contextmanager
def stage(name: str, times: dict[str, float], console: Console) -> Iterator[Progress]:
    """The same, then a line with the stage's seconds, which are also put in `times`."""
    started = perf_counter()
    with shown(name, console) as progress:
        yield progress
    times[name] = perf_counter() - started
    say(console, f"{name:17} {times[name]:6.1f} s")


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    """A line per job; lines go when done, so that the screen holds what matters."""
    bars = Bars(
        TextColumn("{task.description:24}", markup=False), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False), console=console, transient=True,
    )  # fmt: skip
    tasks: dict[str, Any] = {}

    def progress(name: str, done: int, total: int, note: str = "") -> None:
        if name not in tasks:
            tasks[name] = bars.add_task(visible(name), total=total, note="")
        bars.update(tasks[name], completed=done, total=total, note=visible(note), visible=done < total)

    with bars:
        yield progress


@dataclass
class _Task:
    """A job: how much was done when it first reported, at what time, and now."""

    began: float
    first: int
    done: int
    total: int

    def __str__(self) -> str:
        passed, made = perf_counter() - self.began, self.done - self.first
        if made <= 0 or passed <= 0:
            return f"{self.done}/{self.total}"
        left = timedelta(seconds=round((self.total - self.done) * passed / made))
        return f"{self.done}/{self.total}, {made / passed:.3g}/s, {left} left"


class Lines:
    """Progress as lines of a log: every `LINE_SECONDS` one with the jobs that run, and how many have ended."""

    def __init__(self, stage: str, console: Console) -> None:
        self._stage, self._console = stage, console
        self._tasks: dict[str, _Task] = {}
        self._said = perf_counter()

    def __call__(self, name: str, done: int, total: int, note: str = "") -> None:
        now = perf_counter()
        task = self._tasks.setdefault(name, _Task(now, done, done, total))
        task.done, task.total = done, total
        if now - self._said >= LINE_SECONDS:
            self._said = now
            running = [f"{name} {task}" for name, task in self._tasks.items() if task.done < task.total]
            ended = len(self._tasks) - len(running)
            say(self._console, f"{self._stage}: {'; '.join([*running, f'{ended} done'])}")
