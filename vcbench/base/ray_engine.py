"""Jobs as tasks of a Ray cluster: many machines that share the run's folder and the cache.

A job's work passes through files; what passes through Ray is its arguments, its result, and how far it is. A task whose machine
dies starts again on another, up to RETRIES times, from what it has written; one that raises does not. To Ray a task that ends by
SystemExit has died: one that gets SIGTERM saves, raises Preempted, and starts again too, unless the head has cancelled it.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vcbench.base.errors import UserError
from vcbench.base.jobs import Job, JobFailed, Progress, next_job, torch_threads
from vcbench.base.preemption import holds_sigterm_back, keeps_sigterm, takes_sigint_as_sigterm
from vcbench.base.processes import STOP_SECONDS

RETRIES = 5  # of a task whose machine or process died
CONNECT_SECONDS = 20  # to the cluster's address
POLL_SECONDS = 0.5  # between looks at what running tasks report
VARIABLES = ("VCBENCH_", "HF_", "OMP_", "CUDA_VISIBLE")  # prefixes of environment variables that tasks get


class RayMissing(UserError):
    """Ray is not installed."""


@dataclass(frozen=True)
class RayEngine:
    """Runs jobs on a Ray cluster.

    Attributes:
        address: of the cluster, as `ray.init` takes it; empty for the one that RAY_ADDRESS or this machine's `ray start`
            names, else one that is started here for this command.
        threads: of each job; so many CPUs are reserved for it.
        gpus: reserved for a job that wants a GPU.
    """

    address: str
    threads: int
    gpus: float = 0.0

    @property
    def slots(self) -> int:
        """Jobs that the cluster can run at once."""
        return max(1, int(self._ray().cluster_resources().get("CPU", 1)) // self.threads)

    def run(self, jobs: Sequence[Job], progress: Progress, threads: int | None = None) -> dict[str, Any]:
        """Run every job; results by name. A job that fails does not stop the others.

        Raises:
            UserError, JobFailed: as the first job that failed, after all others have ended; it names every one that failed.
            Preempted: SIGTERM came; the tasks that ran have ended as at one of their own, by a checkpoint where they train.
        """
        ray = self._ray()
        with holds_sigterm_back() as stopping:
            results, failures = self._run(ray, jobs, progress, threads or self.threads, stopping)
        raise_first(failures)
        return results

    def _run(
        self, ray: Any, jobs: Sequence[Job], progress: Progress, threads: int, stopping: Callable[[], bool]
    ) -> tuple[dict[str, Any], dict[str, Exception]]:
        """Results and failures by job; without those that had not ended when `stopping` became true."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        messages = ray.remote(num_cpus=0, scheduling_strategy=here)(Messages).remote()  # it must outlive other machines
        tasks = {
            False: ray.remote(max_retries=RETRIES)(work),
            True: ray.remote(max_retries=RETRIES, max_calls=1)(work),  # its process ends with it
        }
        waiting, failures = sorted(jobs, key=lambda job: -job.cost), dict[str, Exception]()
        running: dict[Any, Job] = {}
        results: dict[str, Any] = {}
        try:
            while (waiting or running) and not stopping():
                while waiting and (job := next_job(waiting, [one.name for one in running.values()])):
                    if job.after in failures:
                        failures[job.name] = JobFailed(f"{job.name} was not started, as {job.after} failed.")
                        continue
                    running[self._start(tasks[job.alone], job, threads, messages)] = job
                done, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS) if running else ([], [])
                for name, *values in ray.get(messages.take.remote()):
                    progress(name, *values)
                for reference in done:
                    _collect(ray, running.pop(reference), reference, results, failures)
        finally:
            _end(ray, list(running))
            with suppress(Exception):  # the cluster itself may be gone
                ray.kill(messages)
        return results, failures

    def _start(self, task: Any, job: Job, threads: int, messages: Any) -> Any:
        options = {"num_cpus": threads, "num_gpus": self.gpus if job.gpu else 0, "name": job.name}
        return task.options(**options).remote(pickle.dumps(job), threads, sys.path, os.getcwd(), messages)

    def _ray(self) -> Any:
        """The module, connected."""
        try:
            import ray
        except ImportError as error:
            raise RayMissing("The engine `ray` needs Ray. Install it with: pip install 'vcbench[ray]'") from error
        if not ray.is_initialized():
            address = self.address or os.environ.get("RAY_ADDRESS", "")
            variables = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
            try:
                with keeps_sigterm():  # from a handler of Ray's own
                    ray.init(
                        address=_answering(address) or None,
                        runtime_env={"env_vars": variables},
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        include_dashboard=None if address else False,
                    )
            except (OSError, ValueError) as error:
                raise UserError(
                    f"No Ray cluster answers at {address or 'this machine'}: {error}. Start one with `ray start --head`, or name it "
                    "with --address."
                ) from error
        return ray


def _answering(address: str) -> str:
    """The same address with the host's number. Ray waits for minutes where nothing answers, and for names that only /etc/hosts knows.

    Raises:
        OSError: nothing answers there.
    """
    host, _, port = address.rpartition(":")
    if "/" in address or not port.isdigit():  # ray://host:port, `auto`, or none
        return address
    with socket.create_connection((host, int(port)), CONNECT_SECONDS) as connection:
        number = connection.getpeername()[0]
    return address if ":" in number else f"{number}:{port}"


def _end(ray: Any, references: list[Any]) -> None:
    """End running tasks as SIGTERM would, and by force those that have not ended within STOP_SECONDS."""
    with suppress(Exception):  # the cluster itself may be gone
        for reference in references:
            ray.cancel(reference)
        _, left = ray.wait(references, num_returns=len(references), timeout=STOP_SECONDS) if references else ([], [])
        for reference in left:
            ray.cancel(reference, force=True)


def _collect(ray: Any, job: Job, reference: Any, results: dict[str, Any], failures: dict[str, Exception]) -> None:
    """Put what a finished task told where it belongs."""
    try:
        results[job.name] = outcome(job.name, ray.get(reference))
    except (UserError, JobFailed) as error:
        failures[job.name] = error
    except ray.exceptions.RayError as error:
        failures[job.name] = JobFailed(f"{job.name} failed: its task was lost {RETRIES + 1} times: {error}")


class Messages:
    """What running tasks report, kept until the head takes it; an actor."""

    def __init__(self) -> None:
        self.latest: dict[str, tuple[Any, ...]] = {}

    def put(self, name: str, *values: Any) -> None:
        self.latest[name] = (name, *values)

    def take(self) -> list[tuple[Any, ...]]:
        taken, self.latest = list(self.latest.values()), {}
        return taken


def work(pickled: bytes, threads: int, path: list[str], folder: str, messages: Any) -> tuple[Any, ...]:
    """A task: ("result", value) or ("error", message, by the user, traceback), so that Ray does not retry what raised."""
    sys.path[:] = path
    os.chdir(folder)
    try:
        job: Job = pickle.loads(pickled)

        def report(done: int, total: int, note: str = "") -> None:
            messages.put.remote(job.name, done, total, note)

        with torch_threads(threads), takes_sigint_as_sigterm():
            return "result", job.function(**job.arguments, progress=report)
    except Exception as error:
        return "error", str(error), isinstance(error, UserError), traceback.format_exc()


def outcome(name: str, told: tuple[Any, ...]) -> Any:
    """The result of a task, or the error that it told."""
    if told[0] == "result":
        return told[1]
    _, message, by_the_user, trace = told
    raise UserError(message) if by_the_user else JobFailed(f"{name} failed: {message}\n{trace}")


def raise_first(failures: dict[str, Exception]) -> None:
    """Raise the first failure; it names the other jobs that failed."""
    if not failures:
        return
    first, *_ = failures.values()
    others = list(failures.items())[1:]
    told = "".join(f"\nAlso failed: {other}: {str(error).splitlines()[0]}" for other, error in others)
    raise type(first)(f"{first}{told}") from first
