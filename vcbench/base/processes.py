"""Worker processes of this machine, each with a channel of its own.

Workers share no lock and no queue, so that one that is killed, at whatever moment, cannot block another or the parent.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Pipe, wait
from typing import Any

from vcbench.base import worker
from vcbench.base.errors import UserError

POLL_SECONDS = 0.5  # between looks at whether a process has ended without its channel showing it
END_SECONDS = 10.0  # for a process to end by itself once its work is done
STOP_SECONDS = 60.0  # for one that is told to end amid its work: a training ends its step and writes its checkpoint


class JobFailed(RuntimeError):
    """A job raised, and the message holds its traceback; or its process died. The message names the job."""


class Worker:
    """A process that runs one job after the other; `channel` is ready when it has something to say, or has ended.

    Starting one costs seconds, most of them to import PyTorch; so it is kept for further jobs.

    It imports nothing of the parent's main module: a script that runs jobs needs no ``if __name__ == "__main__"``.
    The thread that starts it must outlive it: Linux ends a worker with the thread that started it.

    Args:
        job: anything picklable with `name`, `function` and `arguments`; see `vcbench.base.jobs.Job`.
        threads: of PyTorch and of OpenMP.
    """

    def __init__(self, job: Any, threads: int) -> None:
        self.name: str = job.name  # of the job it runs
        content = pickle.dumps((sys.path, threads, pickle.dumps(job)))
        self.channel, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", worker.__file__, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            )
        with suppress(OSError):  # it has died already: the first `receive` says so
            self.channel.send_bytes(content)

    def take(self, job: Any) -> None:
        """Begin another job, once the result of the last one has come."""
        self.name = job.name
        with suppress(OSError):
            self.channel.send_bytes(pickle.dumps(job))

    def receive(self) -> tuple[Any, ...]:
        """The next message: ("progress", done, total, note) or ("result", value).

        Raises:
            UserError: as raised by the job.
            JobFailed: the job raised anything else, or its process died.
        """
        try:
            content = self.channel.recv_bytes()
        except (EOFError, OSError):
            raise self.death() from None
        kind, *values = pickle.loads(content)
        if kind == "error":
            message, is_user_error, trace = values
            raise UserError(message) if is_user_error else JobFailed(f"{self.name} failed: {message}\n{trace}")
        return kind, *values

    def has_ended(self) -> bool:
        """Whether its process has. The channel alone does not show this where a child of that process lives on."""
        return self.process.poll() is not None

    def death(self) -> JobFailed:
        """The error that says how it died."""
        self.end()
        return JobFailed(
            f"The process of {self.name} ended with exit code {self.process.returncode} before it was done (-9: it was killed, "
            "probably because memory ran out). Start the same command again: it continues from what was computed. "
            "Fewer processes need less memory: --set workers=1."
        )

    def end(self, seconds: float = END_SECONDS) -> None:
        """Say that there are no more jobs and wait until it has ended; kill it if that takes longer than `seconds`."""
        with suppress(OSError):
            self.channel.send_bytes(b"")
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.channel.close()


def end_all(workers: Iterable[Worker]) -> None:
    """End workers in the middle of their jobs."""
    workers = list(workers)
    for one in workers:
        one.process.terminate()
    for one in workers:
        one.end(STOP_SECONDS)


def ready(workers: Iterable[Worker]) -> list[Worker]:
    """Wait until some have something to say or have ended; then `receive` blocks for none of them."""
    workers = list(workers)
    while True:
        ended = [
            one for one in workers if one.has_ended()
        ]  # before the look at channels, so that no last message is lost
        speaking = wait([one.channel for one in workers], timeout=0 if ended else POLL_SECONDS)
        if found := [one for one in workers if one.channel in speaking]:
            return found
        if ended:
            raise ended[0].death()
