"""Whole tiny runs on a Ray cluster of three nodes on this machine, with nodes and the command killed; prints what came of it.

    python tests/ray_runs.py --out DIR

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
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from tests.support.ray_cluster import Cluster, cluster, wait_for
from vcbench.base.preemption import EXIT_AGAIN

TRAINING = "systems/*/training.safetensors"
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


def disturbed(
    out: Path, name: str, made: Cluster, pattern: str, disturb: Callable[[subprocess.Popen[bytes]], None]
) -> int:
    """A run that is disturbed as soon as a file of that pattern is there; its exit code."""
    process = start(out, name, made.address)
    wait_for(lambda: any((out / name).glob(pattern)) or process.poll() is not None, 600)
    if process.poll() is not None:
        raise RuntimeError(f"{name} ended before it could be disturbed; see {out / name}.log")
    disturb(process)
    return process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the runs and their logs")
    out = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if start(out, "local").wait():
        raise RuntimeError(f"the local run failed; see {out}/local.log")
    expected = table(out, "local")

    def told(name: str, code: int, began: float) -> None:
        same = code == 0 and table(out, name).equals(expected)
        print(
            f"{name:28} exit {code}, {'the same table' if same else 'ANOTHER TABLE'}, {time.monotonic() - began:.0f} s",
            flush=True,
        )

    with cluster(out, (1, 1, 1)) as made:
        began = time.monotonic()
        told("cluster", start(out, "cluster", made.address).wait(), began)
        for name, pattern in (
            ("killed-in-training", TRAINING),
            ("killed-in-scoring", "scores/*.parquet"),
        ):
            began, doomed = time.monotonic(), made.nodes[-1]
            code = disturbed(out, name, made, pattern, lambda _, doomed=doomed: made.kill(doomed))  # type: ignore[misc]
            told(name, code, began)
            made.start(1)
        for name, pattern, sent in (
            ("command-killed", "converted/*/*.flac", signal.SIGKILL),
            ("command-terminated", TRAINING, signal.SIGTERM),
        ):
            began = time.monotonic()
            code = disturbed(out, name, made, pattern, lambda process, sent=sent: process.send_signal(sent))  # type: ignore[misc]
            if code != (EXIT_AGAIN if sent == signal.SIGTERM else -sent):
                raise RuntimeError(f"{name} ended with exit code {code}; see {out / name}.log")
            told(name, start(out, name, made.address).wait(), began)


if __name__ == "__main__":
    main()
