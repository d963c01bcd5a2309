"""Copying recordings that vcbench did not make: sampling rates, clipping."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from scipy import signal

from vcbench.speech import audio

LOWEST_RATE = 1000  # Hz; below it there is no speech to score
COMMON_RATE = 48_000  # Hz
LOW_RATE, CLIPPED = "sampled below 16 kHz", "clipped"  # flags: such a recording is scored, and the table says so


def copy_audio(path: Path, copy: Path, heard: int) -> list[str]:
    """Copy a recording to FLAC at its own rate, and give its flags.

    What is sampled below 16 kHz is brought to it, so that every model hears its own rate; what is sampled at a rate that nothing
    else has, and so cannot be brought to theirs, to 48 kHz. What is clipped is scaled down.

    Args:
        heard: Hz, of the run's features.

    Raises:
        AudioError: it is missing, not audio, corrupt, truncated, empty, silent, too long, or not numbers.
    """
    flags = []
    wave, rate = audio.decode(path, minimum_rate=LOWEST_RATE, largest_clipped=1.0)
    if rate < audio.MINIMUM_RATE:
        flags.append(LOW_RATE)
        wave, rate = _resample(wave, rate, audio.MINIMUM_RATE), audio.MINIMUM_RATE
    elif _odd(rate, audio.MINIMUM_RATE) or _odd(rate, heard):
        wave, rate = _resample(wave, rate, COMMON_RATE), COMMON_RATE
    if (np.abs(wave) >= audio.FULL_SCALE).mean() > audio.CLIPPED_SHARE:
        flags.append(CLIPPED)
        wave = wave * (0.99 * audio.FULL_SCALE / np.abs(wave).max())
    audio.write(copy, wave, rate)
    return flags


def _odd(rate: int, other: int) -> bool:
    """Whether a windowed sinc would need too large a kernel to bring one rate to the other."""
    return max(rate, other) // math.gcd(rate, other) > audio.KERNEL_LIMIT


def _resample(wave: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Of any rate: an odd one through the spectrum of the whole recording."""
    if not _odd(rate, wanted):
        return audio.resample(wave, rate, wanted)
    resampled: np.ndarray = signal.resample(wave, round(len(wave) * wanted / rate)).astype(np.float32)
    return resampled
