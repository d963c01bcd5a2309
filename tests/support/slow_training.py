"""A training with the real loop whose steps take a while, so that a test can end it between two of them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.base.jobs import Job
from vcbench.base.preemption import ends_at_sigterm
from vcbench.base.ray_engine import RayEngine
from vcbench.training.loop import fit

STEPS = 40
STEPS_TAKEN = "steps"  # a line for each step of every try: the process that took it
HURRY = "hurry"  # once a file of this name is beside the folders of the trainings, their steps take no time


class Slow(nn.Module):
    """A linear layer with dropout, which is random in training: going on must restore random states."""

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__()
        recipe = TrainingSettings(steps=STEPS, batch_size=2, frames=4, evaluate_every=10, checkpoint_every=10 * STEPS)
        self.config, self.device = SimpleNamespace(training=recipe), torch.device("cpu")
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        self.folder, self.seconds = folder, seconds

    def initialise(self, *_: object) -> None:
        pass

    def description(self) -> dict[str, str]:
        return {"name": "slow"}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        with (self.folder / STEPS_TAKEN).open("a") as file:
            file.write(f"{os.getpid()}\n")
        if not (self.folder.parent / HURRY).exists():
            time.sleep(self.seconds)
        return {"total": (self.layers(batch.mel) - batch.mel).abs().mean()}


class Noise:
    """Crops of noise."""

    def draw(self, size: int, frames: int, reference_frames: int, generator: torch.Generator) -> Batch:
        return Batch(torch.randn(size, 4, frames, generator=generator), torch.ones(size, 1, frames))

    def statistics(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(4), torch.ones(4)


def train_slowly(folder: str, seconds: float, progress: Callable[..., None]) -> list[list[float]]:
    """A job: train in the folder, going on from what is there; the weights. Until the end only SIGTERM makes it write a checkpoint."""
    torch.manual_seed(0)
    model = Slow(Path(folder), seconds)
    fit(model, Noise(), None, Path(folder), 0, lambda step, _: progress(step, STEPS))
    return [parameter.flatten().tolist() for parameter in model.parameters()]


def job(folder: Path) -> Job:
    """Ten seconds of training, unless told to hurry."""
    return Job(folder.name, train_slowly, {"folder": str(folder), "seconds": 10 / STEPS})


def steps_taken(folder: Path) -> list[int]:
    """The process of each step."""
    path = folder / STEPS_TAKEN
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """A command that trains on a cluster: its address, then a folder for each training."""
    address, *folders = sys.argv[1:]
    with ends_at_sigterm():
        RayEngine(address, threads=1).run([job(Path(folder)) for folder in folders], lambda *_: None)
