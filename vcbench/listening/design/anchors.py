"""The low-pass anchors of ITU-R BS.1534-3, rendered here: their responses are tested against the recommendation's mask."""

from __future__ import annotations

import numpy as np
from scipy import signal

# BS.1534-3, 5.1: the 3.5 kHz anchor's pass band within 0.1 dB, at least 25 dB down at 4 kHz and 50 dB at 4.5 kHz.
TRANSITION = 500.0  # Hz between the end of the pass band and STOP_BAND
STOP_BAND = 65.0  # dB down


def low_pass(pass_band: float, rate: int) -> np.ndarray:
    """(taps,): a linear-phase Kaiser filter, flat up to `pass_band` Hz and STOP_BAND down from TRANSITION above it.

    Raises:
        ValueError: the rate has no room for the transition.
    """
    if pass_band + TRANSITION >= rate / 2:
        raise ValueError(
            f"An anchor of {pass_band:.0f} Hz needs a sampling rate above {2 * (pass_band + TRANSITION):.0f} Hz, not {rate}."
        )
    taps, beta = signal.kaiserord(STOP_BAND, TRANSITION / (rate / 2))
    filtered: np.ndarray = signal.firwin(taps | 1, pass_band + TRANSITION / 2, window=("kaiser", beta), fs=rate)
    return filtered


def anchor(wave: np.ndarray, pass_band: float, rate: int) -> np.ndarray:
    """(samples,) float32: `wave` (samples,) without what lies above `pass_band` Hz, and without delay."""
    filtered: np.ndarray = signal.fftconvolve(wave.astype(np.float64), low_pass(pass_band, rate), mode="full")
    delay = (len(filtered) - len(wave)) // 2
    return filtered[delay : delay + len(wave)].astype(np.float32)
