"""Batches of recordings of different lengths: what fills up the shorter ones is left out."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-5  # of PyTorch's norms


def within(lengths: Tensor, most: int) -> Tensor:
    """(batch, most): whether each place is within its recording, whose lengths are (batch,)."""
    return torch.arange(most, device=lengths.device) < lengths[:, None]


def normalised(values: Tensor, there: Tensor) -> Tensor:
    """Mean 0 and variance 1 over what is there of the last axis, and 0 elsewhere."""
    count = there.sum(-1, keepdim=True)
    centred = (values - (values * there).sum(-1, keepdim=True) / count) * there
    return centred / (centred.square().sum(-1, keepdim=True) / count + EPSILON).sqrt()
