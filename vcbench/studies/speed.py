"""Measure how much faster several trainings are in parallel than one after another, on this device."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vcbench.api.system import NeuralSystem
from vcbench.base.jobs import Job, Progress, run_jobs
from vcbench.base.machine import device_name
from vcbench.base.nouns import counted
from vcbench.run.run import Run
from vcbench.training.cost import WARM_UP, random_batch
from vcbench.training.step import Step

ROUNDS = 3  # the fastest counts: background load only slows a round down
SECONDS = 1.0  # approximate length of a round of one model alone
STEPS = (3, 100)  # fewest and most in a round
PATIENCE = 600  # seconds that a process waits for the others


@dataclass(frozen=True)
class Speed:
    """Wall seconds for `steps` training steps of each of `models`, after models and batches are built; best of ROUNDS.

    `one_after_another` uses all of the machine's threads; `at_once` one process per model, with the threads a training gets.
    """

    models: int
    steps: int
    one_after_another: float
    at_once: float
    device: str

    def __str__(self) -> str:
        return (
            f"{counted(self.models, 'model')} at once train {self.one_after_another / self.at_once:.2f} times "
            f"as fast as one after another "
            f""
            f"with all threads ({counted(self.steps, 'step')} of each: {self.at_once:.1f} s and "
            f"{self.one_after_another:.1f} s; {self.device})."
        )


def measure_speed(systems: list[tuple[Run, str]], threads: int, progress: Progress) -> Speed:
    """Time the systems (run and row) one after another, then all at once with `threads` threads each."""
    device = systems[0][0].device
    every = len(os.sched_getaffinity(0)) if device.type == "cpu" else torch.get_num_threads()
    first = min(_alone(systems[0], STEPS[0], every, progress)) / STEPS[0]
    steps = int(min(max(SECONDS / first, STEPS[0]), STEPS[1]))
    alone = sum(min(_alone(system, steps, every, progress)) for system in systems)
    with tempfile.TemporaryDirectory(prefix="vcbench-speed-") as folder:
        gate = Gate(Path(folder), len(systems))
        jobs = [
            Job(f"speed {number}", time_steps, _arguments(system, steps, number) | {"gate": gate})
            for number, system in enumerate(systems, start=1)
        ]
        rounds = list(zip(*run_jobs(jobs, len(jobs), threads, progress).values(), strict=True))
    together = min(max(seconds) for seconds in rounds)
    return Speed(len(systems), steps, round(alone, 3), round(together, 3), device_name(device))


@dataclass(frozen=True)
class Gate:
    """Lets processes start a round together: each leaves a file, and waits for those of the others."""

    folder: Path
    parties: int

    def wait(self, number: int, turn: int) -> None:
        """
        Raises:
            TimeoutError: another process did not come within `PATIENCE`.
        """
        (self.folder / f"{turn}-{number}").touch()
        begun = time.monotonic()
        while len(list(self.folder.glob(f"{turn}-*"))) < self.parties:
            if time.monotonic() - begun > PATIENCE:
                raise TimeoutError(
                    f"Not all of {counted(self.parties, 'process')} started round {turn} within {PATIENCE} s."
                )
            time.sleep(0.001)


def _arguments(system: tuple[Run, str], steps: int, number: int) -> dict[str, Any]:
    return {"folder": system[0].folder, "row": system[1], "steps": steps, "number": number}


def _alone(system: tuple[Run, str], steps: int, threads: int, progress: Progress) -> list[float]:
    job = Job("speed alone", time_steps, _arguments(system, steps, 1) | {"gate": None})
    return run_jobs([job], 1, threads, progress)[job.name]


def time_steps(folder: Path, row: str, steps: int, number: int, gate: Gate | None, progress: Any) -> list[float]:
    """Seconds for each round of `steps` training steps, started together with the others at the gate."""
    run = Run.open(folder)
    system = run.build_system(row)
    assert isinstance(system, NeuralSystem)  # others are not trained, so not timed
    batch = random_batch(system.config.training, system.mel_settings.n_mels, run.device)
    with torch.no_grad():
        system.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
    step = Step(system.train(), system.config.training)
    for _ in range(WARM_UP):
        step(batch)
    rounds = []
    for done in range(ROUNDS):
        if gate is not None:
            gate.wait(number, done)
        started = time.perf_counter()
        for _ in range(steps):
            step(batch)
        if run.device.type == "cuda":
            torch.cuda.synchronize()
        rounds.append(time.perf_counter() - started)
        progress(done + 1, ROUNDS)
    return rounds
