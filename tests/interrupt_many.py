"""Interrupt many small runs by mixed signals at random moments, and compare each with an uninterrupted one.

    python tests/interrupt_many.py --runs 50 --seed 0

Each run has a cold cache and two systems. It is interrupted several times (SIGINT, SIGTERM or SIGKILL to the whole process
group, to the main process alone, or SIGKILL to one worker), and started again each time. At the end its training
logs (without times), checkpoints, audio, preparation and table must be those of the uninterrupted run; no start may hang,
and no process may outlive the main one by more than `ORPHAN_SECONDS`.

Processes are forked from this one, which has imported everything: else nine of ten signals would meet an import. With
--spawn they are started as the command line starts them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and PyTorch: a forked process must not inherit their threads

import numpy as np
import pandas as pd
from safetensors import safe_open

from vcbench.base import processes, worker
from vcbench.reporting.publish import tabulate, write_leaderboard
from vcbench.run import config
from vcbench.run.run import Run
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features import prepare as features
from vcbench.stages.pipeline import train_and_convert
from vcbench.stages.prepare import prepare
from vcbench.stages.score import check_metrics, score

SYSTEMS = ("flowvc", "again_vc")
METRICS = {"reconstruction_error": {"utterances": 3}, "mel_cepstral_distortion": {}}
TRAINING = {"steps": 24, "evaluate_every": 2, "checkpoint_every": 4}
SPLIT = {"training_speakers": 2, "training_utterances": 4, "held_out_utterances": 3, "unseen_utterances": 3}
CLOCKED = "seconds|factor|peak_memory"  # columns of the table that depend on the clock and the machine
INTERRUPTIONS = 5  # of each run
ORPHAN_SECONDS = 2.0
HANG_SECONDS = 120.0  # after a signal, until the main process has ended
SIGNALS = {"INT": signal.SIGINT, "TERM": signal.SIGTERM, "KILL": signal.SIGKILL}
KINDS = ("INT group", "INT main", "TERM group", "TERM main", "KILL group", "KILL main", "KILL worker")


def make_corpus(folder: Path) -> None:
    """Two seen and two unseen speakers of the embedded corpus, in the layout of the corpus `folder`."""
    speakers = load_corpus("mini").speakers
    for part, seen in (("train", True), ("eval", False)):
        for speaker in [one for one in speakers if one.seen == seen][:2]:
            held_out = [utterance for utterance in speaker.utterances if utterance.held_out][:4]
            others = [utterance for utterance in speaker.utterances if not utterance.held_out][:4]
            for utterance in [*others, *held_out]:
                copy = folder / part / speaker.id / utterance.path.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(utterance.path, copy)
                copy.with_suffix(".txt").write_text(utterance.text or "")


def compute(folder: Path) -> None:
    """One start of a run, in its stages; its corpus lies beside its folder."""
    features.UTTERANCES_PER_WORKER = 4
    values = config.resolve("tiny")
    systems = {name: values["systems"][name] for name in SYSTEMS}
    for settings in systems.values():
        settings["training"] |= TRAINING
    corpus = {"name": "folder", "root": str(folder.parent / "speech"), "split": values["corpus"]["split"] | SPLIT}
    values["trials"]["enrolment"] = 1
    values |= {"systems": systems, "metrics": METRICS, "workers": 2, "corpus": corpus, "reference_rows": ["source"]}
    run = Run.create(folder / "run", config.parse(values))

    def progress(name: str, done: int, total: int, note: str = "") -> None:
        print(name, done, total, note, flush=True)

    missing = check_metrics(run, strict=True)
    prepare(run, progress)
    train_and_convert(run, progress)
    score(run, missing, progress)
    write_leaderboard(tabulate(run, missing), run.files)


class Forked:
    """A forked process with what is used of `subprocess.Popen`."""

    def __init__(self, function: Callable[[], None]) -> None:
        sys.stdout.flush()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                function()
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float = 1e9) -> int:
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("forked", timeout)
            time.sleep(0.01)
        return self.returncode or 0

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork_worker(command: list[str], pass_fds: list[int], env: dict[str, str], **_: Any) -> Forked:
    """In place of `subprocess.Popen`: what `vcbench.base.worker` does as a script."""
    descriptor, parent = (int(argument) for argument in command[-2:])

    def work() -> None:
        for opened in map(int, os.listdir("/proc/self/fd")):
            if opened > 2 and opened not in pass_fds:
                with suppress(OSError):  # the one that listed the others is closed already
                    os.close(opened)
        os.environ.update(env)
        worker.main(descriptor, parent)

    return Forked(work)


def start(folder: Path, spawn: bool) -> Any:
    """One start, in a session of its own, so that a signal to its group reaches nothing else; it prints to output.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"VCBENCH_CACHE": str(folder / "cache")}
    output = os.open(folder / "output.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    try:
        if spawn:
            command = [sys.executable, __file__, "--compute", str(folder)]
            return subprocess.Popen(
                command, stdout=output, stderr=output, start_new_session=True, env=os.environ | environment
            )

        def forked() -> None:
            os.setsid()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.environ.update(environment)
            forking = SimpleNamespace(Popen=fork_worker, DEVNULL=None, TimeoutExpired=subprocess.TimeoutExpired)
            processes.subprocess = forking  # type: ignore[attr-defined]
            compute(folder)

        return Forked(forked)
    finally:
        os.close(output)


def members(group: int) -> list[int]:
    """Living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, own = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            if int(own) == group and state != "Z":
                found.append(int(entry.name))
    return found


@dataclass
class Outcome:
    """What became of the interrupted runs."""

    runs: int = 0
    equal: int = 0
    delivered: Counter[str] = field(default_factory=Counter)
    hangs: int = 0
    orphans: int = 0
    silent: int = 0  # a worker was killed, and the main process ended as if nothing had happened, or named no job
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.delivered.items()))
        return (
            f"{self.equal} of {self.runs} runs equal; {sum(self.delivered.values())} interruptions ({kinds}); "
            f"{self.hangs} hangs, {self.orphans} left orphans, {self.silent} deaths of a worker not told"
        )


def interrupt(process: Any, kind: str, moment: random.Random) -> bool:
    """Deliver one signal, to a worker as soon as there is one; False if the run finishes before."""
    name, target = kind.split()
    if target == "worker":
        while not (workers := [pid for pid in members(process.pid) if pid != process.pid]):
            if process.poll() is not None:
                return False
            time.sleep(0.01)
        os.kill(moment.choice(workers), SIGNALS[name])
    elif target == "group":
        os.killpg(process.pid, SIGNALS[name])
    else:
        process.send_signal(SIGNALS[name])
    return True


def await_lines(process: Any, output: Path, begin: int, lines: int) -> None:
    """Wait until a start has printed so many lines of progress, or has ended: a measure of time for slow machines too."""
    while process.poll() is None and output.read_bytes()[begin:].count(b"\n") < lines:
        time.sleep(0.01)


def run_interrupted(folder: Path, seed: int, lines: int, outcome: Outcome, spawn: bool) -> bool:
    """Interrupt one run up to `INTERRUPTIONS` times, then let it finish; whether it did.

    Args:
        lines: that an uninterrupted run prints.
    """
    moment, output = random.Random(seed), folder / "output.txt"
    for _ in range(INTERRUPTIONS):
        kind = moment.choice(KINDS)
        begin = output.stat().st_size if output.exists() else 0
        process = start(folder, spawn)
        await_lines(process, output, begin, moment.randint(0, 2 * lines // (INTERRUPTIONS + 1)))
        time.sleep(moment.uniform(0.0, 0.3))
        if process.poll() is not None:
            break  # it has finished
        if not interrupt(process, kind, moment):
            break
        outcome.delivered[kind] += 1
        try:
            code = process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            outcome.hangs += 1
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            continue
        ended = time.monotonic()
        if kind == "KILL worker":
            outcome.silent += code == 0 or b"JobFailed: The process of" not in output.read_bytes()[begin:]
        if moment.random() < 0.5:  # else start again at once
            while members(process.pid) and time.monotonic() - ended < ORPHAN_SECONDS:
                time.sleep(0.05)
            outcome.orphans += bool(members(process.pid))
    return start(folder, spawn).wait() == 0


def result(folder: Path) -> dict[str, object]:
    """What must not depend on interruptions, by name."""
    run = folder / "run"
    found: dict[str, object] = {}
    for path in sorted(run.glob("systems/*/train.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[str(path.relative_to(run))] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    for path in sorted(run.glob("systems/*/*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():
                found[f"{path.relative_to(run)} {name}"] = file.get_tensor(name)
    for path in sorted(run.glob("converted/*/*.flac")):
        found[str(path.relative_to(run))] = path.read_bytes()
    found["prepared.json"] = (run / "prepared.json").read_text()
    table = pd.read_csv(run / "leaderboard.csv")
    found["table"] = table[~table["column"].str.contains(CLOCKED)].to_csv(index=False)
    return found


def differences(wanted: dict[str, object], found: dict[str, object]) -> list[str]:
    names = sorted(wanted.keys() | found.keys())
    return [name for name in names if not _equal(wanted.get(name), found.get(name))]


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and one.tobytes() == other.tobytes()
    return one == other


def interrupt_many(folder: Path, runs: int, seed: int, spawn: bool) -> Outcome:
    """`runs` interrupted runs against one that was not; folders of equal runs are removed."""
    outcome = Outcome()
    make_corpus(folder / "speech")
    began = time.monotonic()
    if start(folder / "whole", spawn).wait():
        raise RuntimeError((folder / "whole" / "output.txt").read_text())
    lines = (folder / "whole" / "output.txt").read_bytes().count(b"\n")
    print(f"The uninterrupted run took {time.monotonic() - began:.0f} s and printed {lines} lines.", flush=True)
    wanted = result(folder / "whole")
    for number in range(seed, seed + runs):
        own = folder / f"seed{number}"
        finished = run_interrupted(own, number, lines, outcome, spawn)
        differing = differences(wanted, result(own)) if finished else ["it failed; see output.txt"]
        outcome.runs += 1
        outcome.equal += not differing
        if differing:
            outcome.differences.append(f"seed {number}: {len(differing)} differ, e.g. {', '.join(differing[:4])}")
            print(outcome.differences[-1], flush=True)
        else:
            shutil.rmtree(own)
        print(outcome, flush=True)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the first run; the others count up")
    parser.add_argument("--folder", type=Path, help="where the runs are kept; by default a temporary folder")
    parser.add_argument("--spawn", action="store_true", help="start processes as the command line does")
    parser.add_argument("--compute", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.compute:
        compute(options.compute)
        return
    outcome = interrupt_many(options.folder or Path(tempfile.mkdtemp()), options.runs, options.seed, options.spawn)
    sys.exit(outcome.equal < outcome.runs or outcome.hangs + outcome.orphans + outcome.silent > 0)


if __name__ == "__main__":
    main()
