"""Jobs run the same here and in processes; errors and deaths are told, and nothing is left running."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from tests.support import light_jobs
from vcbench.base import jobs as jobs_module
from vcbench.base.errors import UserError
from vcbench.base.jobs import Job, JobFailed, run_jobs
from vcbench.base.processes import Worker


def threads_and_sum(numbers: list[int], progress) -> tuple[int, int]:
    progress(len(numbers), len(numbers), "done")
    return torch.get_num_threads(), sum(numbers)


def ignore(*_: object) -> None:
    pass


@pytest.mark.parametrize("workers", [1, 2])
def test_results_progress_and_threads(workers: int) -> None:
    seen = []
    jobs = [Job(name, threads_and_sum, {"numbers": numbers}) for name, numbers in (("a", [1, 2]), ("b", [3, 4, 5]))]
    results = run_jobs(jobs, workers, 1, lambda *message: seen.append(message))
    assert results == {"a": (1, 3), "b": (1, 12)}
    assert sorted(seen) == [("a", 2, 2, "done"), ("b", 3, 3, "done")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_begins_after_the_one_it_waits_for(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "order"

    def job(name: str, cost: float, after: str) -> Job:
        return Job(name, light_jobs.note, {"path": str(path), "name": name}, cost, after)

    jobs = [job("b", 9, "a"), job("c", 5, "b"), job("a", 1, "not among these")]
    run_jobs(jobs, workers, 1, ignore)
    assert path.read_text() == "abc"


def test_jobs_that_wait_for_each_other_are_refused() -> None:
    jobs = [Job("a", light_jobs.note, after="b"), Job("b", light_jobs.note, after="a")]
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        run_jobs(jobs, 2, 1, ignore)


def test_a_users_error_keeps_its_message_and_the_others_end(tmp_path: Path) -> None:
    jobs = [Job("wrong", light_jobs.wrong), Job("slow", light_jobs.slow_mark, {"path": str(tmp_path / "mark")})]
    started = time.perf_counter()
    with pytest.raises(UserError, match="the corpus is empty"):
        run_jobs(jobs, 2, 1, ignore)
    assert time.perf_counter() - started < 50
    assert not (tmp_path / "mark").exists()


def test_a_broken_job_is_told_with_its_traceback() -> None:
    with pytest.raises(JobFailed, match=r"(?s)broken failed.*KeyError"):
        run_jobs([Job("broken", light_jobs.broken), Job("fine", threads_and_sum, {"numbers": []})], 2, 1, ignore)


def test_a_killed_job_is_told_with_its_exit_code() -> None:
    with pytest.raises(JobFailed, match="exit code -9"):
        run_jobs([Job("killed", light_jobs.killed), Job("fine", threads_and_sum, {"numbers": []})], 2, 1, ignore)


FINE = Job("fine", light_jobs.sleep)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Worker]:
    """The workers that a test starts, in order."""
    workers: list[Worker] = []

    class Recorded(Worker):
        def __init__(self, job: Job, threads: int) -> None:
            super().__init__(job, threads)
            workers.append(self)

    monkeypatch.setattr(jobs_module, "Worker", Recorded)
    return workers


def test_a_worker_killed_at_any_moment_is_named_and_nothing_is_left(started: list[Worker]) -> None:
    moments = random.Random(0)
    for number in range(20):
        started.clear()
        victim, delay = moments.randrange(2), moments.uniform(0.0, 1.0)

        def kill(victim: int = victim, delay: float = delay) -> None:
            while len(started) < 2:
                time.sleep(0.001)
            time.sleep(delay)
            os.kill(started[victim].process.pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        begin = time.monotonic()
        with pytest.raises(JobFailed, match=f"The process of talk {victim} ended with exit code -9"):
            run_jobs([Job(f"talk {index}", light_jobs.talk) for index in range(2)], 2, 1, ignore)
        killer.join()
        assert time.monotonic() - begin < 30, number
        assert all(worker.process.returncode is not None for worker in started), number


def test_a_killed_worker_whose_own_child_lives_on_is_told() -> None:
    children: list[int] = []
    try:
        with pytest.raises(JobFailed, match="The process of killed ended with exit code -9"):
            run_jobs(
                [Job("killed", light_jobs.killed_with_a_child), FINE],
                2, 1, lambda name, done, total, note: children.append(done) if name == "killed" else None,
            )  # fmt: skip
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
    assert len(children) == 1


@pytest.mark.parametrize("code", [0, 3])
def test_a_job_that_leaves_its_process_is_told(code: int) -> None:
    with pytest.raises(JobFailed, match=f"The process of leaver ended with exit code {code}"):
        run_jobs([Job("leaver", light_jobs.leave, {"code": code}), FINE], 2, 1, ignore)


def test_ctrl_c_is_the_parents_to_answer() -> None:
    """A worker that is interrupted half way through a decoder or a file would go on with what it left."""
    jobs = [Job("a", light_jobs.interrupted), Job("b", light_jobs.interrupted)]
    assert run_jobs(jobs, 2, 1, ignore) == {"a": "done", "b": "done"}


def test_results_of_any_size_arrive_and_those_that_cannot_are_told() -> None:
    sizes = {"a": 10_000_000, "b": 1}
    jobs = [Job(name, light_jobs.large, {"size": size}) for name, size in sizes.items()]
    assert {name: len(result) for name, result in run_jobs(jobs, 2, 1, ignore).items()} == sizes
    with pytest.raises(JobFailed, match=r"(?s)lock failed: .*pickle"):
        run_jobs([Job("lock", light_jobs.unpicklable), FINE], 2, 1, ignore)


def test_processes_are_kept_for_further_jobs_except_one_that_wants_its_own() -> None:
    jobs = [Job(str(number), light_jobs.process) for number in range(6)]
    assert len(set(run_jobs(jobs, 2, 1, ignore).values())) == 2
    alone = [Job(f"alone {number}", light_jobs.process, cost=0, alone=True) for number in range(2)]
    found = run_jobs([*jobs, *alone], 2, 1, ignore)
    before = {found[job.name] for job in jobs}
    assert len({found[job.name] for job in alone} - before) == 2


def test_a_worker_killed_between_two_jobs_is_told() -> None:
    worker = Worker(Job("first", light_jobs.answer), 1)
    assert worker.receive() == ("result", 42)
    worker.process.kill()
    worker.process.wait()
    worker.take(Job("second", light_jobs.answer))
    with pytest.raises(JobFailed, match="The process of second ended with exit code -9"):
        worker.receive()


def start_script(folder: Path, script: str) -> subprocess.Popen[str]:
    """Its processes are a group of their own; the tests can be imported."""
    path = folder / "script.py"
    path.write_text(script)
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        [sys.executable, path], env=environment, start_new_session=True, stdout=subprocess.PIPE, text=True
    )


def members(group: int) -> set[int]:
    """Living processes of a process group."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            if int(own) == group and state != "Z":
                found.add(int(entry.name))
    return found


def test_a_script_needs_no_guard_of_its_main_module(tmp_path: Path) -> None:
    process = start_script(
        tmp_path,
        "from tests.support import light_jobs\n"
        "from vcbench.base.jobs import Job, run_jobs\n"
        "print(sorted(run_jobs([Job(n, light_jobs.answer) for n in 'ab'], 2, 1, print).items()))\n",
    )
    assert process.communicate(timeout=60)[0] == "[('a', 42), ('b', 42)]\n"


def test_workers_are_new_processes_and_no_copies_of_this_one() -> None:
    """A forked one could not use a GPU that its parent has used."""
    light_jobs.CHANGED.append(1)
    try:
        assert run_jobs([Job(name, light_jobs.changed) for name in "ab"], 2, 1, ignore) == {"a": [], "b": []}
    finally:
        light_jobs.CHANGED.clear()


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("job", ["light_jobs.talk", "light_jobs.hold_the_lock", "slow_import.never"])
def test_workers_end_with_a_killed_parent_also_while_they_start(tmp_path: Path, job: str, delay: float) -> None:
    module, name = job.split(".")
    # By its name, so that the parent need not import a module that is slow to import.
    process = start_script(
        tmp_path,
        f"""
class Function:
    def __reduce__(self):
        return by_name, ("tests.support.{module}", "{name}")

from tests.support.by_name import by_name
from vcbench.base.jobs import Job, run_jobs
run_jobs([Job(name, Function()) for name in "ab"], 2, 1, lambda *message: None)
""",
    )
    until = time.monotonic() + 60
    while len(members(process.pid)) < 3 and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(delay)
    assert len(members(process.pid)) == 3
    process.kill()
    process.wait()
    until = time.monotonic() + 2
    while members(process.pid) and time.monotonic() < until:
        time.sleep(0.01)
    left = members(process.pid)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
