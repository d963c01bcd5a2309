"""One training step: forward, backward, clipping, Adam. The loop takes it, and the benchmark times it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings


class Step:
    """Steps of a model with the recipe's optimizer.

    Args:
        model: a module in training mode with ``loss(batch)``, scalars by name of which "total" is minimised.
    """

    def __init__(self, model: Any, recipe: TrainingSettings) -> None:
        self.model, self.recipe = model, recipe
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(
            model.parameters(),
            lr=recipe.learning_rate,
            betas=recipe.betas,
            weight_decay=recipe.weight_decay,
            amsgrad=recipe.amsgrad,
            fused=True,
        )

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """The losses, and the norm of their gradient before clipping."""
        bfloat16 = self.recipe.precision == "bfloat16"
        with torch.autocast(batch.mel.device.type, torch.bfloat16, enabled=bfloat16):
            losses = self.model.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimizer.step()
        return {**losses, "gradient_norm": norm}
