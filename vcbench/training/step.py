"""One training step: forward, backward, clipping, Adam."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import torch

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.training.cost import WARM_UP

if TYPE_CHECKING:
    from vcbench.api.system import NeuralSystem


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


def optimizer(system: NeuralSystem, settings: TrainingSettings) -> torch.optim.Adam:
    return torch.optim.Adam(
        system.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
        fused=True,
    )
