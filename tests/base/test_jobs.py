"""Jobs run the same here and in processes; errors and deaths are told, and nothing is left running."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from vcbench.base.errors import UserError
from vcbench.base.jobs import Job, JobFailed, run_jobs


def threads_and_sum(numbers: list[int], progress) -> tuple[int, int]:
    progress(len(numbers), len(numbers), "done")
    return torch.get_num_threads(), sum(numbers)


def wrong(progress) -> None:
    raise UserError("the corpus is empty")


def broken(progress) -> None:
    raise KeyError("lost")


def killed(progress) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def slow_mark(path: str, progress) -> None:
    time.sleep(60)
    Path(path).touch()


def ignore(*_: object) -> None:
    pass


@pytest.mark.parametrize("workers", [1, 2])
def test_results_progress_and_threads(workers: int) -> None:
    seen = []
    jobs = [Job(name, threads_and_sum, {"numbers": numbers}) for name, numbers in (("a", [1, 2]), ("b", [3, 4, 5]))]
    results = run_jobs(jobs, workers, 1, lambda *message: seen.append(message))
    assert results == {"a": (1, 3), "b": (1, 12)}
    assert sorted(seen) == [("a", 2, 2, "done"), ("b", 3, 3, "done")]


def note(path: str, name: str, progress) -> None:
    with Path(path).open("a") as file:
        file.write(name)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_job_begins_after_the_one_it_waits_for(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "order"

    def job(name: str, cost: float, after: str) -> Job:
        return Job(name, note, {"path": str(path), "name": name}, cost, after)

    jobs = [job("b", 9, "a"), job("c", 5, "b"), job("a", 1, "not among these")]
    run_jobs(jobs, workers, 1, ignore)
    assert path.read_text() == "abc"


def test_jobs_that_wait_for_each_other_are_refused() -> None:
    jobs = [Job("a", note, after="b"), Job("b", note, after="a")]
    with pytest.raises(ValueError, match="wait for each other: a, b"):
        run_jobs(jobs, 2, 1, ignore)


def test_a_users_error_keeps_its_message_and_the_others_end(tmp_path: Path) -> None:
    jobs = [Job("wrong", wrong), Job("slow", slow_mark, {"path": str(tmp_path / "mark")})]
    started = time.perf_counter()
    with pytest.raises(UserError, match="the corpus is empty"):
        run_jobs(jobs, 2, 1, ignore)
    assert time.perf_counter() - started < 50
    assert not (tmp_path / "mark").exists()


def test_a_broken_job_is_told_with_its_traceback() -> None:
    with pytest.raises(JobFailed, match=r"(?s)broken failed.*KeyError"):
        run_jobs([Job("broken", broken), Job("fine", threads_and_sum, {"numbers": []})], 2, 1, ignore)


def test_a_killed_job_is_told_with_its_exit_code() -> None:
    with pytest.raises(JobFailed, match="exit code -9"):
        run_jobs([Job("killed", killed), Job("fine", threads_and_sum, {"numbers": []})], 2, 1, ignore)
