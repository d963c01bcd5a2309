"""SIGTERM, which Slurm sends before it takes a machine back: work stops where it can go on, and the exit code says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

EXIT_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the same command goes on


class Preempted(SystemExit):
    """SIGTERM came; what was computed is saved. Ends the process with EXIT_AGAIN."""

    def __init__(self) -> None:
        super().__init__(EXIT_AGAIN)


@contextmanager
def ends_at_sigterm() -> Iterator[None]:
    """Inside, SIGTERM raises Preempted instead of killing the process, so that it can end its workers in order."""

    def end(*_: object) -> None:
        raise Preempted

    with _handled(signal.SIGTERM, end):
        yield


@contextmanager
def holds_sigterm_back() -> Iterator[Callable[[], bool]]:
    """Inside, SIGTERM only makes the given function true; once left, Preempted is raised.

    Python hears signals in its main thread alone; in another one nothing is held back.
    """
    came = threading.Event()
    with _handled(signal.SIGTERM, lambda *_: came.set()):
        yield came.is_set
    if came.is_set():
        raise Preempted


@contextmanager
def takes_sigint_as_sigterm() -> Iterator[None]:
    """Inside, SIGINT does what SIGTERM does: Ray cancels a task by the former."""
    with _handled(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM)):
        yield


@contextmanager
def keeps_sigterm() -> Iterator[None]:
    """Once left, SIGTERM does what it did before, whatever was set inside; an exit there is Preempted, with its code."""
    try:
        with _handled(signal.SIGTERM, signal.getsignal(signal.SIGTERM)):
            yield
    except SystemExit:
        raise Preempted from None


@contextmanager
def _handled(number: signal.Signals, handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
