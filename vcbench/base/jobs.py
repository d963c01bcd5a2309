"""Where jobs run: in this process, or several at once in processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from vcbench.base.processes import JobFailed, Worker, end_all, ready

__all__ = [
    "Engine",
    "Job",
    "JobFailed",
    "JobProgress",
    "LocalEngine",
    "Progress",
    "next_job",
    "run_jobs",
    "torch_threads",
]

Progress = Callable[[str, int, int, str], None]  # job, done, total, a word on how it goes
JobProgress = Callable[..., None]  # the same without the job's name, as the job itself calls it


@dataclass(frozen=True)
class Job:
    """A function of an importable module and its picklable arguments; it is called with them and `progress`.

    `cost` orders jobs: the most expensive start first, so that the last to end is a short one. A job begins when the one that
    `after` names has ended, if that is among those that run. One that measures the memory of its process is `alone` in it.
    One with `gpu` computes on the run's device.
    """

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict)
    cost: float = 1.0
    after: str = ""
    alone: bool = False
    gpu: bool = False


class Engine(Protocol):
    """Where jobs run."""

    @property
    def slots(self) -> int:
        """Jobs at once."""

    def run(self, jobs: Sequence[Job], progress: Progress, threads: int | None = None) -> dict[str, Any]:
        """Run every job; results by name. `threads` of each, if not as many as the engine gives."""


@dataclass(frozen=True)
class LocalEngine:
    """This machine: `workers` processes, or this one alone."""

    workers: int = 1
    threads: int = 1

    @property
    def slots(self) -> int:
        return self.workers

    def run(self, jobs: Sequence[Job], progress: Progress, threads: int | None = None) -> dict[str, Any]:
        return run_jobs(jobs, self.workers, threads or self.threads, progress)


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
        job = next_job(waiting, ())
        assert job  # nothing runs that it could wait for
        results[job.name] = _here(job, threads, progress)
    return results


def next_job(waiting: list[Job], running: Collection[str]) -> Job | None:
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
    waiting, running, results = list(jobs), dict[str, Worker](), dict[str, Any]()
    idle: list[Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers and (job := next_job(waiting, running)):
                running[job.name] = _worker(job, threads, idle)
            for one in ready(running.values()):
                kind, *values = one.receive()
                if kind == "progress":
                    progress(one.name, *values)
                else:
                    (results[one.name],) = values
                    idle.append(running.pop(one.name))
    finally:
        end_all(running.values())
        for one in idle:
            one.end()
    return results


def _worker(job: Job, threads: int, idle: list[Worker]) -> Worker:
    """One that has begun the job: a new one, or one that has no job."""
    if not idle:
        return Worker(job, threads)
    one = idle.pop()
    if job.alone or one.has_ended():
        one.end()
        return Worker(job, threads)
    one.take(job)
    return one
