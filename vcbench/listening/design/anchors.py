"""The low-pass anchors of ITU-R BS.1534-3; tests compare their responses with the mask of the recommendation."""

from __future__ import annotations

import numpy as np
from scipy import signal

# BS.1534-3, 5.1: the 3.5 kHz anchor's pass band within 0.1 dB, at least 25 dB down at 4 kHz and 50 dB at 4.5 kHz.
TRANSITION = 500.0  # Hz from the end of the pass band to the stop band
STOP_BAND = 65.0  # dB down


def low_pass(pass_band: float, rate: int) -> np.ndarray:
    """(taps,): a linear-phase Kaiser filter, flat up to `pass_band` Hz and STOP_BAND down from TRANSITION above it.

    Raises:
        ValueError: the sampling rate is too low for the transition band.
    """
    if pass_band + TRANSITION >= rate / 2:
        raise ValueError(
            f"An anchor of {pass_band:.0f} Hz needs a sampling rate above {2 * (pass_band + TRANSITION):.0f} Hz, not {rate}."
        )
    taps, beta = signal.kaiserord(STOP_BAND, TRANSITION / (rate / 2))
    filtered: np.ndarray = signal.firwin(taps | 1, pass_band + TRANSITION / 2, window=("kaiser", beta), fs=rate)
    return filtered


def anchor(wave: np.ndarray, pass_band: float, rate: int) -> np.ndarray:
    """(samples,) float32: `wave` (samples,), low-passed at `pass_band` Hz with zero delay."""
    filtered: np.ndarray = signal.fftconvolve(wave.astype(np.float64), low_pass(pass_band, rate), mode="full")
    delay = (len(filtered) - len(wave)) // 2
    return filtered[delay : delay + len(wave)].astype(np.float32)
