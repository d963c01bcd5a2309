"""The melody of an utterance without its register."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST_DEVIATION = 1e-3  # of log-F0; below it (a monotone, or one voiced frame) there is no melody to scale up


def normalise_log_f0(log_f0: Tensor, voiced: Tensor) -> Tensor:
    """Log-F0 interpolated over unvoiced frames, with zero mean and unit deviation over the voiced ones.

    Unvoiced frames before the first and after the last voiced one hold its value. Without any voiced frame the
    contour is zero.

    Args:
        log_f0: (frames,) float, natural logarithm of F0 in Hz; its values at unvoiced frames are not read.
        voiced: (frames,) bool.

    Returns:
        (frames,) of log_f0's type.

    Raises:
        ValueError: the shapes differ, or a voiced frame's log-F0 is not finite.
    """
    if log_f0.shape != voiced.shape or log_f0.dim() != 1:
        raise ValueError(
            f"log_f0 and voiced must both be (frames,); received {tuple(log_f0.shape)} and {tuple(voiced.shape)}."
        )
    positions = torch.nonzero(voiced.bool())[:, 0]
    if len(positions) == 0:
        return torch.zeros_like(log_f0)
    values = log_f0[positions]
    if not values.isfinite().all():
        raise ValueError(f"log_f0 is not finite at {int((~values.isfinite()).sum())} of {len(values)} voiced frames.")
    centred = values - values.mean()
    deviation = centred.square().mean().sqrt()
    if deviation < SMALLEST_DEVIATION:
        return torch.zeros_like(log_f0)
    return _interpolate(positions, centred / deviation, len(log_f0))


def _interpolate(positions: Tensor, values: Tensor, frames: int) -> Tensor:
    """Linear between the points (positions ascending), constant outside of them; (frames,)."""
    query = torch.arange(frames, device=positions.device)
    after = torch.searchsorted(positions, query).clamp_max(len(positions) - 1)
    before = (torch.searchsorted(positions, query, right=True) - 1).clamp_min(0)
    span = (positions[after] - positions[before]).clamp_min(1)
    weight = ((query - positions[before]) / span).clamp(0, 1).to(values)
    return values[before] + weight * (values[after] - values[before])
