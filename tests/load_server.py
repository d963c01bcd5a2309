"""Many participants of a crowd at once, and how long the collecting server makes them wait.

    python tests/load_server.py --listeners 200 --kills 3

Each participant loads the page, arrives, loads and answers every page of their sheet, and sends a state after each, all
without pausing: real ones take minutes for what these do in seconds. The server is killed (SIGKILL) and started again
while they post. At the end every state that was confirmed must be in the files: the complete session of each participant,
and nothing unfinished. Prints milliseconds per kind of request, from connecting to the end of the reply, without the
attempts that met a killed server. Client and server share the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.listening_crowd import state_of
from tests.support.listening_helpers import make_run
from tests.support.listening_server import free_port
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import read_session
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.design.build import build
from vcbench.listening.options import Options


class Crowd:
    """A server in a process of its own, and participants in threads."""

    def __init__(self, bundle: Bundle, results: Path, listeners: int, arrive_only: bool = False) -> None:
        self.arrive_only = arrive_only
        self.bundle, self.results, self.listeners, self.port = bundle, results, listeners, free_port()
        self.times: dict[str, list[float]] = defaultdict(list)
        self.confirmed: dict[str, bytes] = {}
        self.posts = 0
        self._lock = threading.Lock()
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "vcbench",
            "listen",
            "serve",
            str(self.bundle.folder),
            "--results",
            str(self.results),
        ]
        options = [
            "--port",
            str(self.port),
            "--participants",
            "hashed",
            "--quota",
            str(self.listeners),
            "--completion",
            "C1",
        ]
        return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = self._start()

    def ask(self, kind: str, method: str, path: str, body: bytes | None = None) -> bytes:
        """Ask until there is an answer, as the page does."""
        while True:
            start = time.perf_counter()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                connection.request(method, path, body)
                response = connection.getresponse()
                content = response.read()
                connection.close()
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
                continue
            assert response.status in (200, 201), (response.status, content[:200])
            with self._lock:
                self.times[kind].append(1000 * (time.perf_counter() - start))
            return content

    def take_part(self, number: int) -> None:
        self.ask("page", "GET", "/")
        arrival = json.loads(self.ask("arrive", "POST", "/arrive", json.dumps({"pid": f"person{number}"}).encode()))
        if self.arrive_only:
            return
        rounds = self.bundle.sheets[str(arrival["listener"])]["rounds"]
        shown = [page for one in rounds for page in one]
        for done, page in enumerate(shown, 1):
            for clip in page["order"]:
                self.ask("clip", "GET", f"/clips/{clip}.js")
            self._send("progress", arrival, done if done < len(shown) else None)

    def _send(self, kind: str, arrival: dict[str, Any], pages: int | None) -> None:
        body = state_of(self.bundle, arrival, pages)
        reply = json.loads(self.ask(kind if pages else "complete", "POST", "/answers", body))
        with self._lock:
            self.confirmed[arrival["participant"]] = body
            self.posts += 1
        assert pages or reply["ending"] == {"code": "C1"}

    def run(self, kills: int) -> float:
        """Everybody takes part; the seconds that it took."""
        self.ask("page", "GET", "/")
        self.times.clear()
        total = self.listeners * sum(map(len, self.bundle.sheets["1"]["rounds"]))
        start = time.perf_counter()
        with ThreadPoolExecutor(self.listeners) as pool:
            waiting = [pool.submit(self.take_part, number) for number in range(self.listeners)]
            for kill in range(1, kills + 1):
                while self.posts < total * kill / (kills + 1) and not any(
                    one.done() and one.exception() for one in waiting
                ):
                    time.sleep(0.01)
                self.kill()
            for one in waiting:
                one.result()
        return time.perf_counter() - start

    def check(self) -> None:
        """Nothing that was confirmed is lost, nothing is twice, and the sheets are shared evenly."""
        if self.arrive_only:
            people = [json.loads(path.read_bytes()) for path in (self.results / "participants").glob("*.json")]
            assert len({person["code"] for person in people}) == self.listeners
            return self._check_shares(person["sheet"] for person in people)
        stored = {path.read_bytes() for path in self.results.glob("participant_*.json")}
        assert set(self.confirmed.values()) == stored
        assert len(stored) == len(Collection(self.results).finished()) == self.listeners
        assert not list((self.results / "progress").glob("*.json"))
        return self._check_shares(read_session(content).listener for content in stored)

    def _check_shares(self, listeners: Iterable[int]) -> None:
        sheets = Counter(listeners)
        assert max(sheets.values()) - min(sheets.values()) <= 1

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--items", type=int, default=12, help="pages of a sheet are items times 3 systems")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--arrive-only", action="store_true", help="nobody answers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = make_run(folder / "run", trials=options.items + 1, seconds=3.0)
        build(run, "mos", folder / "mos", Options(items=options.items, listeners=options.items, per_item=4))
        crowd = Crowd(Bundle(folder / "mos"), folder / "answers", options.listeners, options.arrive_only)
        try:
            seconds = crowd.run(options.kills)
            crowd.check()
        finally:
            crowd.stop()
    requests = sum(map(len, crowd.times.values()))
    print(f"{options.listeners} at once, {options.kills} kills: {requests} requests in {seconds:.1f} s, nothing lost")
    print(f"{'':10} {'requests':>8} {'median':>8} {'95%':>8} {'most':>8}  ms")
    for kind, times in crowd.times.items():
        median, high, most = np.percentile(times, [50, 95, 100])
        print(f"{kind:10} {len(times):8d} {median:8.1f} {high:8.1f} {most:8.1f}")


if __name__ == "__main__":
    main()
