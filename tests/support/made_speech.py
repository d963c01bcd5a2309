"""Sounds that are enough like speech for codecs, level measures and players."""

from __future__ import annotations

import numpy as np
from scipy import signal


def speechlike(seconds: float, pitch: float, rate: int, gain: float, silence: float = 0.1) -> np.ndarray:
    """Syllables: a buzz through two resonances, with `silence` seconds at both ends."""
    generator = np.random.default_rng(round(pitch * 100 + seconds * 7))
    time = np.arange(round(seconds * rate)) / rate
    buzz = signal.sawtooth(2 * np.pi * pitch * time) + 0.05 * generator.normal(size=len(time))
    for centre in (700.0, 1800.0):
        b, a = signal.iirpeak(centre, 4, fs=rate)
        buzz = buzz + 4 * signal.lfilter(b, a, buzz)
    wave = buzz * (0.15 + np.sin(2 * np.pi * 3 * time) ** 2)
    wave *= gain / np.abs(wave).max()
    edge = round(silence * rate)
    wave[:edge] = 0
    wave[len(wave) - edge :] = 0
    return wave.astype(np.float32)
