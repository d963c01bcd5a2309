"""docs/slurm.sh: a run that SIGTERM ends is queued again unless its user cancelled it, and any other end is the script's own."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.ray_cluster import wait_for

SCRIPT = Path(__file__).parents[2] / "docs" / "slurm.sh"
# In place of the cluster's commands and of the run, which ends as `exit` and, after SIGTERM, `terminated` say.
COMMANDS = {
    "scontrol": 'echo "$*" > requeued',
    "squeue": 'echo "$STATE"',
    "srun": 'echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN $*" > others; exec sleep 60',
    "ray": """case "$*" in
status*) for ((node = 0; node < JOINED; node++)); do echo " 1 node_$node"; done;;
*) echo "$RAY_AUTH_MODE $RAY_AUTH_TOKEN $*" > head; echo $$ > process; mv process head_process; exec sleep 60;;
esac""",
    "python": """case "$*" in
*get_node_ip_address*) echo 10.0.0.1; exit;;
*token_hex*) echo secret; exit;;
esac
echo "$@" > arguments
trap 'sleep 0.3; exit "$TERMINATED"' TERM
[ -n "$EXIT" ] && exit "$EXIT"
touch running
while true; do sleep 0.05; done""",
}


def start(folder: Path, nodes: int = 1, **variables: str) -> subprocess.Popen[bytes]:
    commands = folder / "bin"
    commands.mkdir()
    for name, text in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/bash\n{text}\n")
        (commands / name).chmod(0o755)
    own = {"SLURM_JOB_NUM_NODES": str(nodes), "SLURM_JOB_ID": "7", "STATE": "RUNNING None", "JOINED": str(nodes)}
    own |= {"EXIT": "", "TERMINATED": "75", "PATH": f"{commands}:{os.environ['PATH']}"}
    return subprocess.Popen(
        ["bash", SCRIPT, "--systems", "all"],
        cwd=folder,
        env=os.environ | own | variables,
        stderr=subprocess.DEVNULL,
    )


def terminate(process: subprocess.Popen[bytes], folder: Path) -> None:
    wait_for((folder / "running").exists, 30)
    process.send_signal(signal.SIGTERM)


def alive(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.exists() and "zombie" not in status.read_text()


@pytest.mark.parametrize("state", ["RUNNING None", "COMPLETING TimeLimit"])
@pytest.mark.parametrize("code", ["75", "143"])  # it saved, or it had only begun
def test_after_sigterm_the_job_is_queued_again(tmp_path: Path, state: str, code: str) -> None:
    process = start(tmp_path, STATE=state, TERMINATED=code)
    terminate(process, tmp_path)
    assert process.wait(30) == 0
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"


@pytest.mark.parametrize("code", [75, 143])
def test_a_job_that_its_user_cancels_is_not(tmp_path: Path, code: int) -> None:
    process = start(tmp_path, STATE="COMPLETING None", TERMINATED=str(code))
    terminate(process, tmp_path)
    assert process.wait(30) == code
    assert not (tmp_path / "requeued").exists()


def test_a_run_that_fails_after_sigterm_is_not(tmp_path: Path) -> None:
    process = start(tmp_path, TERMINATED="2")
    terminate(process, tmp_path)
    assert process.wait(30) == 2
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("code", [0, 2, 143])
def test_the_runs_own_exit_code_is_the_scripts(tmp_path: Path, code: int) -> None:
    assert start(tmp_path, EXIT=str(code)).wait(30) == code
    assert not (tmp_path / "requeued").exists()
    assert (tmp_path / "arguments").read_text() == "-m vcbench run --systems all\n"


def test_several_nodes_run_ray_and_a_preempted_run_is_queued_again(tmp_path: Path) -> None:
    assert start(tmp_path, nodes=3, EXIT="75", SLURM_CPUS_PER_TASK="8").wait(30) == 0
    engine = "--engine ray --address 10.0.0.1:20007"
    assert (tmp_path / "arguments").read_text() == f"-m vcbench run {engine} --systems all\n"
    ray = "start --num-cpus=8 --disable-usage-stats --block"
    assert (tmp_path / "head").read_text() == f"token secret {ray} --head --port=20007\n"
    others = "--relative=1 --nodes=2 --ntasks=2 --cpus-per-task=8"
    assert (tmp_path / "others").read_text() == f"token secret {others} ray {ray} --address=10.0.0.1:20007\n"
    assert (tmp_path / "requeued").exists()


def test_the_run_waits_for_all_nodes_and_ray_ends_with_it(tmp_path: Path) -> None:
    process = start(tmp_path, nodes=2, JOINED="1", VCBENCH_RAY_WAIT="2")
    wait_for((tmp_path / "head_process").exists, 30)
    assert not (tmp_path / "arguments").exists()
    terminate(process, tmp_path)  # it has begun without the other
    assert process.wait(30) == 0
    head = int((tmp_path / "head_process").read_text())
    wait_for(lambda: not alive(head), 30)


def test_sigterm_while_the_nodes_join_queues_the_job_again(tmp_path: Path) -> None:
    process = start(tmp_path, nodes=2, JOINED="1")
    wait_for((tmp_path / "head_process").exists, 30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert (tmp_path / "requeued").exists()
