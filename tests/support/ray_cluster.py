"""A Ray cluster of several nodes on this machine: each a `ray start` of its own, which can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

STARTED = 300.0  # seconds that a node may take to start


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Cluster:
    """A head without CPUs, so that every task is on another node, and the nodes."""

    folder: Path
    port: int = field(default_factory=free_port)
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, cpus: int) -> subprocess.Popen[bytes]:
        """Start a node with so many CPUs, the head first; it is a process group of its own."""
        where = ["--address", self.address] if self.nodes else ["--head", "--port", str(self.port)]
        options = ["--num-cpus", str(cpus), "--num-gpus", "0", "--object-store-memory", str(80 * 2**20)]
        options += ["--block", "--node-ip-address", "127.0.0.1"]
        quiet = (
            ["--disable-usage-stats", "--include-dashboard", "false"] if not self.nodes else ["--disable-usage-stats"]
        )
        # All nodes have one address here, so each needs ports of its own.
        first = 20_000 + 1000 * len(self.nodes) + os.getpid() % 500
        ports = ["--min-worker-port", str(first), "--max-worker-port", str(first + 400)]
        log = (self.folder / f"node{len(self.nodes)}.log").open("wb")
        node = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *where, *options, *quiet, *ports],
            stdout=log, stderr=log, start_new_session=True, env=os.environ | {"RAY_raylet_start_wait_time_s": str(round(STARTED))},
        )  # fmt: skip
        self.nodes.append(node)
        written = Path(log.name)
        wait_for(lambda: "block forever" in written.read_text() or node.poll() is not None, STARTED)  # one at a time
        if node.poll() is not None:
            raise RuntimeError(f"a node of Ray did not start:\n{written.read_text()}")
        return node

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """As if its power failed: SIGKILL to all its processes."""
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


@contextmanager
def cluster(folder: Path, cpus: tuple[int, ...]) -> Iterator[Cluster]:
    """A head and a node for each number of CPUs."""
    made = Cluster(folder)
    try:
        for count in (0, *cpus):
            made.start(count)
        yield made
    finally:
        for node in made.nodes:
            if node.poll() is None:
                made.kill(node)


def wait_for(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(0.1)


def ancestors(process: int) -> list[int]:
    """Its parent, the parent's parent and so on: a task's process descends from its node's."""
    found = [process]
    while found[-1] > 1:
        status = Path(f"/proc/{found[-1]}/status").read_text()
        found.append(int(status.partition("PPid:")[2].split()[0]))
    return found[1:]
