"""Instance normalisation, adaptive instance normalisation, and other operations on an utterance's real frames.

Equations and sections are those of Chen, Wu, Wu and Lee 2021, "AGAIN-VC: A one-shot voice conversion using activation
guidance and adaptive instance normalization". Tensors are (frames, batch, channels); a mask is (frames, batch, 1), 1 where real, or
``None`` where every frame is; statistics are (batch, channels).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-5  # added to a variance

Statistics = tuple[Tensor, Tensor]  # mean and deviation, each (batch, channels)


class InstanceNorm(torch.autograd.Function):
    """Normalises each utterance's channels to mean 0 and deviation 1; also returns the means and deviations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor | None, correction: int) -> tuple[Tensor, Tensor, Tensor]:
        count: Tensor | int = x.shape[0]
        degrees: Tensor | int = max(x.shape[0] - correction, 1)
        if mask is None:
            mean = x.mean(0)
            centred = x - mean
        else:
            count = mask.sum(0)
            degrees = (count - correction).clamp(min=1)
            mean = (x * mask).sum(0) / count
            centred = (x - mean).mul_(mask)
        deviation = centred.square().sum(0).div_(degrees).add_(EPSILON).sqrt_()
        normal = centred.mul_(deviation.reciprocal())
        ctx.save_for_backward(normal, deviation, mask)
        ctx.count, ctx.degrees = count, degrees
        return normal, mean, deviation

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, to_mean: Tensor, to_deviation: Tensor) -> tuple[Tensor, None, None]:
        normal, deviation, mask = ctx.saved_tensors
        scale = deviation.reciprocal()
        if mask is not None:
            gradient = gradient * mask
        slope = (to_deviation - scale * (gradient * normal).sum(0)) / ctx.degrees
        offset = (to_mean - scale * gradient.sum(0)) / ctx.count
        result = torch.addcmul(offset if mask is None else offset * mask, normal, slope)
        return result.addcmul_(gradient, scale), None, None


def instance_norm(x: Tensor, mask: Tensor | None = None, correction: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise every channel of every utterance over its real frames (equation 2).

    Returns the normalised tensor (0 in padding), the means and the deviations. The variance divides by
    frames - `correction` (at least 1), plus `EPSILON`. Computed in float32 or wider.
    """
    return InstanceNorm.apply(x.float() if x.dtype in (torch.bfloat16, torch.float16) else x, mask, correction)


def adapt(x: Tensor, statistics: Statistics, mask: Tensor | None = None, correction: int = 1) -> Tensor:
    """Adaptive instance normalisation: give `x` the mean and deviation of another utterance (equation 3)."""
    mean, deviation = statistics
    return torch.addcmul(mean, instance_norm(x, mask, correction)[0], deviation)


def swap_halves(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Put the second half of every utterance first: frame t is frame (t + length // 2) modulo length of `x`."""
    if mask is None:
        return torch.roll(x, -(x.shape[0] // 2), dims=0)
    length = mask[..., 0].sum(0).long()
    position = torch.arange(x.shape[0], device=x.device)[:, None]
    index = torch.where(position < length, (position + length // 2) % length.clamp(min=1), position)
    return x[index, torch.arange(x.shape[1], device=x.device)]


def masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


def mean_absolute_error(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean over all real frames and channels of the batch."""
    if mask is None:
        return F.l1_loss(prediction, truth)
    return ((prediction - truth).abs() * mask).sum() / (mask.sum() * truth.shape[-1])
