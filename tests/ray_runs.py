"""Whole tiny runs on a Ray cluster of three nodes on this machine, with nodes and the command killed; prints what came of it.

    python tests/ray_runs.py --out DIR [--only command-terminated ...]

Six runs of two systems must end with the same table: on this machine's processes; on the cluster; with a node killed while
it trains; with a node killed while it scores; with the command killed and started again; with the command told to end while it
trains, which must exit with 75, and started again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from tests.support.ray_cluster import Cluster, cluster, wait_for
from vcbench.base.preemption import EXIT_AGAIN

TRAINING = "systems/*/training.safetensors"
# By run: the file that is waited for, and the signal that the command gets then; where there is none, a node is killed.
RUNS: dict[str, tuple[str, signal.Signals | None]] = {
    "cluster": ("", None),
    "killed-in-training": (TRAINING, None),
    "killed-in-scoring": ("scores/*.parquet", None),
    "command-killed": ("converted/*/*.flac", signal.SIGKILL),
    "command-terminated": (TRAINING, signal.SIGTERM),
}
CLOCKED = "seconds|factor|peak_memory"  # columns that depend on the clock and the machine


def start(out: Path, name: str, address: str = "") -> subprocess.Popen[bytes]:
    """The command, with a cache of its own, so that every run computes everything."""
    engine = ["--set", "engine=ray", "--set", f"address={address}"] if address else []
    command = ["run", "--preset", "tiny", "--systems", "flowvc,again_vc", "--name", name, "--runs", str(out), *engine]
    environment = os.environ | {"VCBENCH_CACHE": str(out / f"cache-{name}")}
    log = (out / f"{name}.log").open("ab")
    return subprocess.Popen([sys.executable, "-m", "vcbench", *command], stdout=log, stderr=log, env=environment)


def table(out: Path, name: str) -> pd.DataFrame:
    found = pd.read_csv(out / name / "leaderboard.csv")
    return found[~found["column"].str.contains(CLOCKED)].reset_index(drop=True)


def run(out: Path, name: str, made: Cluster) -> int:
    """A run of RUNS, disturbed as that says, and started again if its command was; the last exit code."""
    pattern, sent = RUNS[name]
    process = start(out, name, made.address)
    if not pattern:
        return process.wait()
    wait_for(lambda: any((out / name).glob(pattern)) or process.poll() is not None, 600)
    if process.poll() is not None:
        raise RuntimeError(f"{name} ended before it could be disturbed; see {out / name}.log")
    if sent is None:
        made.kill(made.nodes[-1])
        code = process.wait()
        made.start(1)
        return code
    process.send_signal(sent)
    if (code := process.wait()) != (EXIT_AGAIN if sent == signal.SIGTERM else -sent):
        raise RuntimeError(f"{name} ended with exit code {code}; see {out / name}.log")
    return start(out, name, made.address).wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the runs and their logs")
    parser.add_argument(
        "--only", nargs="+", choices=RUNS, default=list(RUNS), help="these instead of all, after the local one"
    )
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if start(out, "local").wait():
        raise RuntimeError(f"the local run failed; see {out}/local.log")
    expected = table(out, "local")
    with cluster(out, (1, 1, 1)) as made:
        for name in arguments.only:
            began = time.monotonic()
            code = run(out, name, made)
            same = code == 0 and table(out, name).equals(expected)
            told = f"exit {code}, {'the same table' if same else 'ANOTHER TABLE'}"
            print(f"{name:28} {told}, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
