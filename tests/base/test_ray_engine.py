"""Jobs on a Ray cluster: results, failures, and a node that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support import light_jobs, slow_training
from tests.support.ray_cluster import STARTED, Cluster, ancestors, cluster, wait_for
from tests.support.slow_training import HURRY, STEPS, steps_taken
from vcbench.base.errors import UserError
from vcbench.base.jobs import Job, JobFailed
from vcbench.base.preemption import EXIT_AGAIN
from vcbench.base.ray_engine import RayEngine, RayMissing, raise_first
from vcbench.training.state import STATE_FILE

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'vcbench[ray]'")
pytestmark = pytest.mark.slow


def ignore(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("ray"), (1, 1)) as made:
        yield made
        ray.shutdown()


@pytest.fixture(scope="module")
def engine(nodes: Cluster) -> RayEngine:
    made = RayEngine(nodes.address, threads=1)
    wait_for(lambda: made.slots == 2, STARTED)
    return made


def test_results_order_and_progress(engine: RayEngine, tmp_path: Path) -> None:
    path, seen = tmp_path / "order", []
    jobs = [
        Job("late", light_jobs.note, {"path": str(path), "name": "b"}, after="early"),
        Job("early", light_jobs.note, {"path": str(path), "name": "a"}),
        Job("answer", light_jobs.answer),
    ]
    results = engine.run(jobs, lambda *message: seen.append(message))
    assert results["answer"] == 42
    assert path.read_text() == "ab"


def test_a_job_that_always_fails_is_told_once_and_the_others_go_on(engine: RayEngine, tmp_path: Path) -> None:
    path = tmp_path / "order"
    jobs = [
        Job("broken", light_jobs.broken),
        Job("after it", light_jobs.answer, after="broken"),
        Job("fine", light_jobs.note, {"path": str(path), "name": "f"}),
    ]
    with pytest.raises(
        JobFailed, match=r"(?s)broken failed: .*KeyError.*Also failed: after it: .*broken failed"
    ) as raised:
        engine.run(jobs, ignore)
    assert str(raised.value).count("Traceback") == 1
    assert path.read_text() == "f"


def test_a_users_error_keeps_its_message(engine: RayEngine) -> None:
    with pytest.raises(UserError, match="the corpus is empty"):
        engine.run([Job("wrong", light_jobs.wrong)], ignore)


def test_a_task_whose_node_dies_goes_on_elsewhere(engine: RayEngine, nodes: Cluster, tmp_path: Path) -> None:
    """A third node joins and is killed while it works; what its job had written is there for the next try."""
    doomed = nodes.start(1)
    wait_for(lambda: engine.slots == 3, STARTED)
    marks = tmp_path / "marks"
    marks.mkdir()
    jobs = [
        Job(f"slow {number}", light_jobs.count_up, {"folder": str(marks), "name": str(number)}) for number in range(3)
    ]
    outcome: dict[str, object] = {}
    runner = threading.Thread(target=lambda: outcome.update(engine.run(jobs, ignore)))
    runner.start()
    wait_for(lambda: len(list(marks.glob("*"))) == 3, 60)
    time.sleep(0.5)
    nodes.kill(doomed)
    runner.join(120)
    assert not runner.is_alive()
    assert outcome == {f"slow {number}": 20 for number in range(3)}


def test_a_task_that_gets_sigterm_saves_and_goes_on_elsewhere_from_there(
    engine: RayEngine, nodes: Cluster, tmp_path: Path
) -> None:
    """A node that is taken back: its workers get SIGTERM, and then it is gone. No checkpoint was due before the end."""
    doomed = nodes.start(1)
    wait_for(lambda: engine.slots == 3, STARTED)
    folders = [tmp_path / name for name in ("here", "a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    expected = slow_training.train_slowly(str(folders.pop(0)), 0.0, ignore)
    outcome: dict[str, object] = {}
    jobs = [slow_training.job(folder) for folder in folders]
    runner = threading.Thread(target=lambda: outcome.update(engine.run(jobs, ignore)))
    runner.start()
    wait_for(lambda: all(steps_taken(folder) for folder in folders), STARTED)
    (taken_back,) = (folder for folder in folders if doomed.pid in ancestors(steps_taken(folder)[0]))
    os.kill(steps_taken(taken_back)[0], signal.SIGTERM)
    wait_for((taken_back / STATE_FILE).exists, 60)
    assert len(steps_taken(taken_back)) < STEPS
    nodes.kill(doomed)
    (tmp_path / HURRY).touch()
    runner.join(120)
    assert outcome == {folder.name: expected for folder in folders}
    assert [len(steps_taken(folder)) for folder in folders] == [STEPS] * 3  # none was taken twice
    assert [len(set(steps_taken(folder))) for folder in folders] == [1 + (folder == taken_back) for folder in folders]


def test_sigterm_to_the_command_lets_tasks_save_and_the_same_command_goes_on(nodes: Cluster, tmp_path: Path) -> None:
    """Two trainings run and one waits."""
    folders = [tmp_path / name for name in ("here", "a", "b", "c")]
    for folder in folders:
        folder.mkdir()
    slow_training.train_slowly(str(folders[0]), 0.0, ignore)
    main = f"from {slow_training.__name__} import main; main()"
    command = [sys.executable, "-c", main, nodes.address, *map(str, folders[1:])]
    process = subprocess.Popen(command)
    wait_for(lambda: sum(bool(steps_taken(folder)) for folder in folders[1:]) == 2, STARTED)
    process.send_signal(signal.SIGTERM)
    assert process.wait(STARTED) == EXIT_AGAIN
    begun = [len(steps_taken(folder)) for folder in folders[1:]]
    assert sorted(count > 0 for count in begun) == [False, True, True]
    assert max(begun) < STEPS
    assert [(folder / STATE_FILE).exists() for folder in folders[1:]] == [count > 0 for count in begun]
    (tmp_path / HURRY).touch()
    assert subprocess.run(command, timeout=2 * STARTED).returncode == 0
    assert [len(steps_taken(folder)) for folder in folders] == [STEPS] * 4  # none was taken twice
    states = [load_file(folder / STATE_FILE) for folder in folders]
    assert all(torch.equal(state[name], states[0][name]) for state in states for name in states[0])


def test_only_a_job_that_wants_its_own_process_has_it(engine: RayEngine) -> None:
    jobs = [Job(str(number), light_jobs.process, alone=True) for number in range(3)]
    assert len(set(engine.run(jobs, ignore).values())) == 3


def test_without_ray_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(RayMissing, match=r"pip install 'vcbench\[ray\]'"):
        RayEngine("", 1).run([Job("a", light_jobs.answer)], ignore)


def test_the_first_failure_names_the_others() -> None:
    raise_first({})
    with pytest.raises(UserError, match="one\nAlso failed: b: two"):
        raise_first({"a": UserError("one"), "b": JobFailed("two\nwith a traceback")})
