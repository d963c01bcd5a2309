"""docs/slurm.sh: a run that SIGTERM ends is queued again, and any other end is the script's own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "slurm.sh"
# In place of the cluster's commands and of the run, which ends as `exit` and, after SIGTERM, `terminated` say.
COMMANDS = {
    "scontrol": '[ "$1" = requeue ] && echo "$2" > requeued || printf "%b" "$NODES"',
    "srun": 'echo "$@" >> started; case "$*" in *--block*) sleep 0.1;; esac',
    "python": """echo "$@" > arguments
trap 'sleep 0.3; exit "$TERMINATED"' TERM
[ -n "$EXIT" ] && exit "$EXIT"
touch running
while true; do sleep 0.05; done""",
}


def start(folder: Path, nodes: str = "one\\n", **variables: str) -> subprocess.Popen[str]:
    commands = folder / "bin"
    commands.mkdir()
    for name, text in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/bash\n{text}\n")
        (commands / name).chmod(0o755)
    own = {"SLURM_JOB_NODELIST": "x", "SLURM_JOB_ID": "7", "NODES": nodes, "EXIT": "", "TERMINATED": "75"}
    environment = os.environ | own | {"VCBENCH_RAY_WAIT": "0", "PATH": f"{commands}:{os.environ['PATH']}"} | variables
    return subprocess.Popen(
        ["bash", SCRIPT, "--systems", "all"], cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )


def terminate(process: subprocess.Popen[str], folder: Path) -> None:
    until = time.monotonic() + 30
    while not (folder / "running").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)


def test_after_sigterm_the_job_is_queued_again(tmp_path: Path) -> None:
    process = start(tmp_path)
    terminate(process, tmp_path)
    assert process.wait(30) == 0
    assert (tmp_path / "requeued").read_text() == "7\n"


def test_a_run_that_fails_after_sigterm_is_not(tmp_path: Path) -> None:
    process = start(tmp_path, TERMINATED="2")
    terminate(process, tmp_path)
    assert process.wait(30) == 2
    assert not (tmp_path / "requeued").exists()


@pytest.mark.parametrize("code", [0, 2])
def test_the_runs_own_exit_code_is_the_scripts(tmp_path: Path, code: int) -> None:
    assert start(tmp_path, EXIT=str(code)).wait(30) == code
    assert not (tmp_path / "requeued").exists()
    assert (tmp_path / "arguments").read_text() == "-m vcbench run --systems all\n"


def test_several_nodes_run_ray_and_a_preempted_run_is_queued_again(tmp_path: Path) -> None:
    assert start(tmp_path, nodes="one\\ntwo\\nthree\\n", EXIT="75").wait(30) == 0
    assert (tmp_path / "arguments").read_text() == "-m vcbench run --engine ray --address one:6379 --systems all\n"
    started = (tmp_path / "started").read_text().splitlines()
    assert sorted(line.split()[2] for line in started) == ["--nodelist=one", "--nodelist=three", "--nodelist=two"]
    assert (tmp_path / "requeued").exists()
