"""Means of the losses between two evaluations."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is no longer finite."""


class Averages:
    """Sums of losses since the last evaluation; they stay on the device until they are read, all at once."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self._latest: dict[str, Tensor] = {}

    def add(self, losses: dict[str, Tensor]) -> None:
        self._latest = {name: value.detach() for name, value in losses.items()}
        self.count += 1
        for name, value in self._latest.items():
            self.sums[name] = self.sums[name] + value.float() if name in self.sums else value.float()

    def clear(self) -> None:
        self.sums, self.count = {}, 0

    def means(self) -> dict[str, float]:
        return {name: value / self.count for name, value in read(self.sums).items()}

    def latest_total(self, step: int, folder: Path) -> float:
        """The last step's total loss.

        Raises:
            TrainingDiverged: a loss since the last evaluation was not finite.
        """
        sums = read({**self.sums, "": self._latest["total"]})
        total = sums.pop("")
        for name, value in sums.items():
            if not math.isfinite(value):
                raise TrainingDiverged(
                    f"Training stopped at step {step}: {name} is {value}. The last good checkpoint, if any, is in "
                    f"{folder}. Lower training.learning_rate or training.clip, or look for a broken utterance with "
                    "`vcbench prepare`."
                )
        return total


def read(values: dict[str, Tensor]) -> dict[str, float]:
    """Scalars by name, brought from the device in one copy."""
    if not values:
        return {}
    return dict(zip(values, torch.stack([value.float() for value in values.values()]).tolist(), strict=True))
