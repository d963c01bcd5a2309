"""SIGTERM: what can be saved is saved, and the exit code says that the same command goes on."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from tests.support import light_jobs
from vcbench.base.jobs import Job, run_jobs
from vcbench.base.preemption import (
    EXIT_AGAIN,
    Preempted,
    ends_at_sigterm,
    holds_sigterm_back,
    keeps_sigterm,
    takes_sigint_as_sigterm,
)


def test_it_ends_the_process_with_the_code_for_another_try() -> None:
    with pytest.raises(SystemExit) as ended, ends_at_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == EXIT_AGAIN == os.EX_TEMPFAIL
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_held_back_it_ends_the_work_at_its_end() -> None:
    done = []
    with ends_at_sigterm(), pytest.raises(Preempted), holds_sigterm_back() as stopping:  # noqa: PT012
        assert not stopping()
        signal.raise_signal(signal.SIGTERM)
        assert stopping()
        done.append("saved")
    assert done == ["saved"]


def test_without_it_work_goes_on() -> None:
    with holds_sigterm_back() as stopping:
        assert not stopping()


def test_an_error_of_the_work_is_told_rather_than_the_signal() -> None:
    with pytest.raises(KeyError), holds_sigterm_back():  # noqa: PT012
        signal.raise_signal(signal.SIGTERM)
        raise KeyError


def test_in_another_thread_nothing_is_held_back() -> None:
    told = []

    def work() -> None:
        with holds_sigterm_back() as stopping:
            told.append(stopping())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert told == [False]


def test_sigint_saves_as_sigterm_does_where_it_cancels() -> None:
    before, done = signal.getsignal(signal.SIGINT), []
    with pytest.raises(Preempted), takes_sigint_as_sigterm(), holds_sigterm_back() as stopping:  # noqa: PT012
        _thread.interrupt_main()  # as Ray cancels a task
        while not stopping():
            pass
        done.append("saved")
    assert done == ["saved"]
    assert signal.getsignal(signal.SIGINT) == before  # a shell's background job ignores it


def test_a_library_that_sets_its_own_handler_changes_neither_code_nor_handler() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted), keeps_sigterm():  # noqa: PT012
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_workers_save_before_they_end(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    jobs = [Job(path.name, light_jobs.until_sigterm, {"path": str(path)}) for path in paths]
    begun = []

    def progress(*message: object) -> None:
        begun.append(message)
        if len(begun) == len(jobs):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Preempted), ends_at_sigterm():
        run_jobs(jobs, 2, 1, progress)
    assert [path.read_text() for path in paths] == ["saved", "saved"]
