"""F0 contours normalised for the speaker's range."""

from __future__ import annotations

import numpy as np
import pyworld
import torch
from torch import Tensor

from vcbench.base.nouns import counted
from vcbench.speech.features.settings import MelSettings, PitchSettings

SMALLEST_DEVIATION = 1e-3  # of log-F0; below it (a monotone, or one voiced frame) there is no contour to scale


def normalise_log_f0(log_f0: Tensor, voiced: Tensor) -> Tensor:
    """Log-F0 interpolated over unvoiced frames, with zero mean and unit deviation over the voiced ones.

    Unvoiced frames before the first and after the last voiced frame take its value. Without voiced frames the contour
    is zero.

    Args:
        log_f0: (frames,) float, natural logarithm of F0 in Hz; values at unvoiced frames are ignored.
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
        raise ValueError(
            f"log_f0 is not finite at {int((~values.isfinite()).sum())} of {counted(len(values), 'voiced frame')}."
        )
    centred = values - values.mean()
    deviation = centred.square().mean().sqrt()
    if deviation < SMALLEST_DEVIATION:
        return torch.zeros_like(log_f0)
    return _interpolate(positions, centred / deviation, len(log_f0))


def _interpolate(positions: Tensor, values: Tensor, frames: int) -> Tensor:
    """Linear between the points (positions ascending), constant outside; (frames,)."""
    query = torch.arange(frames, device=positions.device)
    after = torch.searchsorted(positions, query).clamp_max(len(positions) - 1)
    before = (torch.searchsorted(positions, query, right=True) - 1).clamp_min(0)
    span = (positions[after] - positions[before]).clamp_min(1)
    weight = ((query - positions[before]) / span).clamp(0, 1).to(values)
    return values[before] + weight * (values[after] - values[before])


DECIMATION = 4  # DIO looks for F0 in a low band; WORLD's authors allow up to 12


def pitch(wave: np.ndarray, settings: PitchSettings, mel: MelSettings) -> tuple[np.ndarray, np.ndarray]:
    """Contour of the fundamental frequency.

    Args:
        wave: (samples,) float64, at `mel.sampling_rate`.

    Returns:
        log_f0 (frames,) float32, natural logarithm of Hz and 0 where unvoiced; and voiced (frames,) bool; with
        frames = samples // hop. Frame i is at sample (i + 0.5) * hop, the centre of the mel's frame i.
    """
    frames = len(wave) // mel.hop
    half_hop = 500.0 * mel.hop / mel.sampling_rate  # milliseconds
    # WORLD's frames are at multiples of its period, from zero: with half a hop, every second one is a mel frame's centre.
    if settings.method == "harvest":
        f0, times = pyworld.harvest(wave, mel.sampling_rate, settings.low, settings.high, half_hop)
    else:
        f0, times = pyworld.dio(
            wave, mel.sampling_rate, settings.low, settings.high, frame_period=half_hop, speed=DECIMATION
        )
    f0, times = np.ascontiguousarray(f0[1::2]), np.ascontiguousarray(times[1::2])
    if settings.method == "dio":
        f0 = pyworld.stonemask(wave, f0, times, mel.sampling_rate)
    f0 = f0[:frames]
    voiced = f0 > 0
    log_f0 = np.log(f0, out=np.zeros(frames), where=voiced).astype(np.float32)
    return log_f0, voiced
