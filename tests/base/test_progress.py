"""Progress: bars on a terminal, few lines in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from vcbench.base import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that `perf_counter` gives; the test sets them."""
    now = [100.0]
    monkeypatch.setattr(progress, "perf_counter", lambda: now[0])
    return now


def test_a_log_gets_a_line_at_the_start_one_a_minute_and_one_at_the_end(clock: list[float]) -> None:
    console, times = Console(file=io.StringIO(), width=200), dict[str, float]()
    with progress.stage("train", times, console) as report:
        for second in range(150):
            clock[0] = 100.0 + second
            report("flowvc", 40 + second, 340, "loss 1.2")  # resumed at step 40
            if second < 30:
                report("[/again_vc]", second + 1, 30)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.rstrip() for line in lines] == [
        "train: started",
        "train: flowvc 100/340, 1/s, 0:04:00 left; 1 done",
        "train: flowvc 160/340, 1/s, 0:03:00 left; 1 done",
        "train              149.0 s",
    ]
    assert times == {"train": 149.0}


def test_a_job_that_has_not_moved_has_no_rate(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=200)
    with progress.shown("score", console) as report:
        report("probe", 0, 9)
        clock[0] += 61
        report("probe", 0, 9)
    assert "score: probe 0/9; 0 done" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_terminal_gets_bars_that_go() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with progress.shown("score", console) as report:
        report("probe", 1, 2, "seed 1")
        report("probe", 2, 2)
    assert "started" not in console.file.getvalue()  # type: ignore[attr-defined]
