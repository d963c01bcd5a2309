"""Where jobs run: in this process, or several at once in processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from typing import Any

from vcbench.base.errors import UserError

Progress = Callable[[str, int, int, str], None]  # job, done, total, a word on how it goes
JobProgress = Callable[..., None]  # the same without the job's name, as the job itself calls it
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Job:
    """A module-level function and its picklable arguments; it is called with `progress` beside them.

    `cost` orders jobs: the dearest start first, so that the last to end is a short one. A job begins when the one that
    `after` names has ended, if that is among those that run.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    cost: float = 1.0
    after: str = ""


class JobFailed(RuntimeError):
    """A job raised; the message holds its traceback."""


def run_jobs(jobs: Sequence[Job], workers: int, threads: int, progress: Progress) -> dict[str, Any]:
    """Run every job; results by name. `workers` 1 runs them here, in order; more runs them in processes.

    Each job gets `threads` threads, also with one worker, so that its result does not depend on how many run beside it.

    Raises:
        UserError: as raised by a job.
        JobFailed: a job raised anything else, or its process died. The others are ended; what they wrote stays.
    """
    waiting = sorted(jobs, key=lambda job: -job.cost)
    if workers > 1 and len(jobs) > 1:
        return _in_processes(waiting, workers, threads, progress)
    results: dict[str, Any] = {}
    while waiting:
        job = _next(waiting, ())
        assert job  # nothing runs that it could wait for
        results[job.name] = _here(job, threads, progress)
    return results


def _next(waiting: list[Job], running: Collection[str]) -> Job | None:
    """Take the first job that waits for no other; None where each of them waits for one that runs."""
    unfinished = {*running, *(job.name for job in waiting)}
    for index, job in enumerate(waiting):
        if job.after not in unfinished:
            return waiting.pop(index)
    if not running:
        raise ValueError(f"Jobs that wait for each other: {', '.join(job.name for job in waiting)}.")
    return None


def _here(job: Job, threads: int, progress: Progress) -> Any:
    with torch_threads(threads):
        return job.function(
            **job.arguments, progress=lambda done, total, note="": progress(job.name, done, total, note)
        )


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_processes(jobs: list[Job], workers: int, threads: int, progress: Progress) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    messages: Queue[Any] = context.Queue()
    waiting, running, results = list(jobs), dict[str, SpawnProcess](), dict[str, Any]()
    try:
        while waiting or running:
            while waiting and len(running) < workers and (job := _next(waiting, running)):
                running[job.name] = context.Process(target=_child, args=(job, threads, messages), daemon=False)
                running[job.name].start()
            try:
                name, kind, content = messages.get(timeout=POLL_SECONDS)
            except queue.Empty:
                _require_alive(running, messages)
                continue
            if kind == "progress":
                progress(name, *content)
            elif kind == "result":
                results[name] = content
                running.pop(name).join()
            else:
                _raise(name, *content)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.join()
    return results


def _require_alive(running: dict[str, SpawnProcess], messages: Queue[Any]) -> None:
    for name, process in running.items():
        if not process.is_alive() and messages.empty():
            time.sleep(POLL_SECONDS)  # its last message may still be on its way
            if messages.empty():
                raise JobFailed(
                    f"The process of {name} ended with exit code {process.exitcode} (-9 is what a machine out of memory does). "
                    "Start the same command again: it goes on from what was computed; fewer processes need less memory (--workers 1)."
                )


def _raise(name: str, message: str, is_user_error: bool, trace: str) -> None:
    if is_user_error:
        raise UserError(message)
    raise JobFailed(f"{name} failed: {message}\n{trace}")


def _child(job: Job, threads: int, messages: Queue[Any]) -> None:
    end_with_parent()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)

    def report(done: int, total: int, note: str = "") -> None:
        messages.put((job.name, "progress", (done, total, note)))

    try:
        result = job.function(**job.arguments, progress=report)
    except Exception as error:
        messages.put((job.name, "error", (str(error), isinstance(error, UserError), traceback.format_exc())))
    else:
        messages.put((job.name, "result", result))


def end_with_parent() -> None:
    """Call in a worker process: a parent that is killed then leaves no process behind that computes or writes."""

    def watch(parent: int) -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, args=(os.getppid(),), daemon=True).start()
