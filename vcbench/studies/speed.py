"""Measure how much faster several trainings are in parallel than one after another, on this device."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

from vcbench.api.system import NeuralSystem
from vcbench.base.jobs import Job, Progress, run_jobs
from vcbench.base.machine import device_name
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
            f"{self.models} models at once train {self.one_after_another / self.at_once:.2f} times as fast as one after another "
            f"with all threads ({self.steps} steps of each: {self.at_once:.1f} s and {self.one_after_another:.1f} s; {self.device})."
        )


def measure_speed(systems: list[tuple[Run, str]], threads: int, progress: Progress) -> Speed:
    """Time the systems (run and row) one after another, then all at once with `threads` threads each."""
    device = systems[0][0].device
    every = len(os.sched_getaffinity(0)) if device.type == "cpu" else torch.get_num_threads()
    first = min(_alone(systems[0], STEPS[0], every, progress)) / STEPS[0]
    steps = int(min(max(SECONDS / first, STEPS[0]), STEPS[1]))
    alone = sum(min(_alone(system, steps, every, progress)) for system in systems)
    barrier = multiprocessing.get_context("spawn").Barrier(len(systems))
    jobs = [
        Job(f"speed {number}", time_steps, _arguments(system, steps) | {"barrier": barrier})
        for number, system in enumerate(systems, start=1)
    ]
    rounds = zip(*run_jobs(jobs, len(jobs), threads, progress).values(), strict=True)
    together = min(max(seconds) for seconds in rounds)
    return Speed(len(systems), steps, round(alone, 3), round(together, 3), device_name(device))


def _arguments(system: tuple[Run, str], steps: int) -> dict[str, Any]:
    return {"folder": system[0].folder, "row": system[1], "steps": steps}


def _alone(system: tuple[Run, str], steps: int, threads: int, progress: Progress) -> list[float]:
    job = Job("speed alone", time_steps, _arguments(system, steps) | {"barrier": None})
    return run_jobs([job], 1, threads, progress)[job.name]


def time_steps(folder: Path, row: str, steps: int, barrier: Barrier | None, progress: Any) -> list[float]:
    """Seconds for each round of `steps` training steps, started together with the others at the barrier."""
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
        if barrier is not None:
            barrier.wait(PATIENCE)
        started = time.perf_counter()
        for _ in range(steps):
            step(batch)
        if run.device.type == "cuda":
            torch.cuda.synchronize()
        rounds.append(time.perf_counter() - started)
        progress(done + 1, ROUNDS)
    return rounds
