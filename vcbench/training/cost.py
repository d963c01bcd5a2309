"""What a training step costs: operations, counted on a small batch of random numbers."""

from __future__ import annotations

from copy import deepcopy

import torch

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.speech.features.settings import INVENTORY

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
        whole=True,
    )
    if settings.reference_frames:
        batch.reference = torch.randn(size, n_mels, settings.reference_frames, generator=generator) - 2
        batch.reference_mask = torch.ones(size, 1, settings.reference_frames)
    for name, value in vars(batch).items():
        if isinstance(value, torch.Tensor):
            setattr(batch, name, value.to(device))
    return batch


def step_operations(system: NeuralSystem) -> float:
    """Floating-point operations of one training step, forward and backward, counted on a batch of two."""
    from torch.utils.flop_counter import FlopCounterMode  # here, as it imports Triton: a quarter of a second

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
