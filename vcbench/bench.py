"""How fast training is on this machine: steps per second at a preset's sizes, on random features."""

from __future__ import annotations

import statistics
import time

import torch

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


def train(config: RunConfig, threads: int, steps: int) -> list[tuple[str, ...]]:
    """Rows of (system, parameters, batch, seconds a step, steps a second); the median over `steps`."""
    rows = []
    with torch_threads(threads or torch.get_num_threads()):
        for row, settings in config.systems.items():
            system_class = configuration.system_class(row, settings)
            if issubclass(system_class, NeuralSystem):
                rows.append(
                    _time_training(row, system_class, configuration.system_config(row, settings), config, steps)
                )
    return rows


def _time_training(
    row: str, system_class: type[NeuralSystem], own: object, config: RunConfig, steps: int
) -> tuple[str, ...]:
    torch.manual_seed(0)
    device = pick_device(config.device)
    system = system_class(own, config.features.mel, 0).to(device).train()
    recipe = system.config.training
    batch = random_batch(recipe, config.features.mel.n_mels, device)
    with torch.no_grad():
        system.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
    optimizer = torch.optim.Adam(system.parameters(), lr=recipe.learning_rate, amsgrad=recipe.amsgrad, fused=True)
    seconds = []
    for _ in range(WARM_UP + steps):
        started = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss = system.loss(batch)["total"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(system.parameters(), recipe.clip)
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[WARM_UP:])
    size = sum(parameter.numel() for parameter in system.parameters())
    return row, f"{size / 1e6:.2f} M", f"{recipe.batch_size} x {recipe.frames}", f"{median:.4f}", f"{1 / median:.2f}"
