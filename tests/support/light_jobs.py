"""Jobs for worker processes that import nothing but the standard library, so that they start at once."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vcbench.base.errors import UserError
from vcbench.base.preemption import holds_sigterm_back

Report = Callable[..., None]
CHANGED: list[int] = []  # a forked process would have what its parent put here


def talk(progress: Report) -> None:
    """Report as fast as it can, without end: a moment to be killed at is most often one of these messages."""
    done = 0
    while True:
        done += 1
        progress(done, done + 1, "x" * (done % 5000))


def sleep(progress: Report) -> None:
    progress(0, 1)
    time.sleep(120)


def hold_the_lock(progress: Report) -> None:
    """Never leave a call that holds the interpreter's lock, so that no other thread runs."""
    progress(0, 1)
    re.match(r"(a+)+$", "a" * 60 + "b")


def interrupted(progress: Report) -> str:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)
    return "done"


def killed_with_a_child(progress: Report) -> None:
    """Its own child keeps its end of the channel open."""
    child = os.fork()
    if child == 0:
        time.sleep(120)
        os._exit(0)
    progress(child, 0)
    os.kill(os.getpid(), signal.SIGKILL)


def leave(code: int, progress: Report) -> None:
    sys.exit(code)


def large(size: int, progress: Report) -> bytes:
    return bytes(size)


def unpicklable(progress: Report) -> Any:
    return threading.Lock()


def answer(progress: Report) -> int:
    return 42


def wrong(progress: Report) -> None:
    raise UserError("the corpus is empty")


def broken(progress: Report) -> None:
    raise KeyError("lost")


def killed(progress: Report) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def changed(progress: Report) -> list[int]:
    return CHANGED


def until_sigterm(path: str, progress: Report) -> None:
    """Like a training: told to end, it saves what it has."""
    with holds_sigterm_back() as stopping:
        progress(0, 1)
        while not stopping():
            time.sleep(0.01)
        time.sleep(0.2)
        Path(path).write_text("saved")


def slow_mark(path: str, progress: Report) -> None:
    time.sleep(60)
    Path(path).touch()


def note(path: str, name: str, progress: Report) -> None:
    with Path(path).open("a") as file:
        file.write(name)


def process(progress: Report) -> int:
    time.sleep(0.1)
    return os.getpid()


def count_up(folder: str, name: str, progress: Report) -> int:
    """Count to twenty, a step every fifth of a second, from where an earlier try came to."""
    path = Path(folder) / name
    done = int(path.read_text() or 0) if path.exists() else 0
    while done < 20:
        done += 1
        path.write_text(str(done))
        progress(done, 20)
        time.sleep(0.2)
    return done
