"""Copying recordings that vcbench did not make: sampling rates, clipping."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from scipy import signal

from vcbench.speech import audio

LOWEST_RATE = 1000  # Hz; below it there is no speech to score
COMMON_RATE = 48_000  # Hz
LOW_RATE, CLIPPED = "sampled below 16 kHz", "clipped"  # flags: such a recording is scored, with a footnote


def copy_audio(path: Path, copy: Path, wanted: int) -> list[str]:
    """Copy a recording to FLAC at its own rate, and return its flags.

    A recording below 16 kHz is resampled to 16 kHz, the rate of the models. One at an odd rate, from which resampling would need
    too large a kernel, is resampled to 48 kHz. A clipped one is scaled down.

    Args:
        wanted: sampling rate of the run's features in Hz.

    Raises:
        AudioError: the file is missing, not audio, corrupt, truncated, empty, silent or too long, or has values that are not finite.
    """
    flags = []
    wave, rate = audio.decode(path, minimum_rate=LOWEST_RATE, largest_clipped=1.0)
    if rate < audio.MINIMUM_RATE:
        flags.append(LOW_RATE)
        wave, rate = _resample(wave, rate, audio.MINIMUM_RATE), audio.MINIMUM_RATE
    elif _odd(rate, audio.MINIMUM_RATE) or _odd(rate, wanted):
        wave, rate = _resample(wave, rate, COMMON_RATE), COMMON_RATE
    if (np.abs(wave) >= audio.FULL_SCALE).mean() > audio.CLIPPED_SHARE:
        flags.append(CLIPPED)
        wave = wave * (0.99 * audio.FULL_SCALE / np.abs(wave).max())
    audio.write(copy, wave, rate)
    return flags


def _odd(rate: int, other: int) -> bool:
    """Whether resampling from one rate to the other by a windowed sinc would need too large a kernel."""
    return max(rate, other) // math.gcd(rate, other) > audio.KERNEL_LIMIT


def _resample(wave: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Resample from any rate; from an odd one, through the spectrum of the whole recording."""
    if not _odd(rate, wanted):
        return audio.resample(wave, rate, wanted)
    resampled: np.ndarray = signal.resample(wave, round(len(wave) * wanted / rate)).astype(np.float32)
    return resampled
