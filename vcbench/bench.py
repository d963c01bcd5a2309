"""How fast training is on this machine: steps per second at a preset's sizes, on random features."""

from __future__ import annotations

import statistics
import time
from copy import deepcopy
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vcbench import config as configuration
from vcbench.config import RunConfig
from vcbench.engines import torch_threads
from vcbench.features.phones import INVENTORY
from vcbench.run import pick_device
from vcbench.system import Batch, NeuralSystem, TrainingSettings

WARM_UP = 3  # steps


def random_batch(settings: TrainingSettings, n_mels: int, device: torch.device) -> Batch:
    """A batch of the shapes that training sees."""
    generator = torch.Generator().manual_seed(0)
    size, frames = settings.batch_size, settings.frames
    batch = Batch(
        mel=torch.randn(size, n_mels, frames, generator=generator) - 2,
        mask=torch.ones(size, 1, frames),
        log_f0=torch.randn(size, 1, frames, generator=generator),
        voiced=(torch.rand(size, 1, frames, generator=generator) > 0.4).float(),
        phones=torch.randint(1, len(INVENTORY), (size, frames), generator=generator),
        speaker=torch.zeros(size, dtype=torch.long),
    )
    if settings.reference_frames:
        batch.reference = torch.randn(size, n_mels, settings.reference_frames, generator=generator) - 2
        batch.reference_mask = torch.ones(size, 1, settings.reference_frames)
    for name, value in vars(batch).items():
        if value is not None:
            setattr(batch, name, value.to(device))
    return batch


def step_operations(system: NeuralSystem) -> float:
    """Floating-point operations of one training step, forward and backward, counted on a batch of two."""
    recipe = system.config.training
    small = recipe.model_copy(update={"batch_size": min(2, recipe.batch_size)})
    copy = deepcopy(system).train()
    batch = random_batch(small, system.mel_settings.n_mels, system.device)
    with torch.random.fork_rng():
        with torch.no_grad():
            copy.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
        with FlopCounterMode(display=False) as counter:
            copy.loss(batch)["total"].backward()
    return counter.get_total_flops() * recipe.batch_size / small.batch_size


class Step:
    """One training step of a model that has `loss`, again and again on the same batch."""

    def __init__(self, model: Any, recipe: TrainingSettings, batch: Batch) -> None:
        self.model = model.train()
        self.recipe, self.batch = recipe, batch
        self.optimizer = torch.optim.Adam(model.parameters(), recipe.learning_rate, amsgrad=recipe.amsgrad, fused=True)
        self.seconds: list[float] = []

    def __call__(self) -> None:
        device = self.batch.mel.device.type
        started = time.perf_counter()
        with torch.autocast(device, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            loss = self.model.loss(self.batch)["total"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        """Seconds, without the first steps."""
        return statistics.median(self.seconds[WARM_UP:])


def train(config: RunConfig, threads: int, steps: int) -> list[tuple[str, ...]]:
    """Rows of (system, parameters, batch, seconds a step, steps a second, GFLOP/s, against the published code)."""
    rows = []
    with torch_threads(threads or torch.get_num_threads()):
        for row, settings in config.systems.items():
            system_class = configuration.system_class(row, settings)
            if issubclass(system_class, NeuralSystem):
                own = configuration.system_config(row, settings)
                rows.append((row, *_time_training(system_class, own, config, steps)))
    return rows


def _time_training(system_class: type[NeuralSystem], own: Any, config: RunConfig, steps: int) -> tuple[str, ...]:
    torch.manual_seed(0)
    device = pick_device(config.device)
    n_mels = config.features.mel.n_mels
    system = system_class(own, config.features.mel, 0).to(device)
    recipe = own.training
    batch = random_batch(recipe, n_mels, device)
    with torch.no_grad():
        system.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
    step = Step(system, recipe, batch)
    published = system_class.published(own, n_mels)
    other = Step(published.to(device), recipe, batch) if published else None
    for _ in range(WARM_UP + steps):
        # In turn, so that what else the machine does meets both alike.
        step()
        if other:
            other()
    seconds = step.median
    size = sum(parameter.numel() for parameter in system.parameters())
    return (
        f"{size / 1e6:.2f} M",
        f"{recipe.batch_size} x {recipe.frames}",
        f"{seconds:.4f}",
        f"{1 / seconds:.2f}",
        f"{step_operations(system) / seconds / 1e9:.0f}",
        f"{other.median:.4f} s, {seconds / other.median:.2f} x" if other else "",
    )
