"""F0 of signals with a known F0 at every time."""

from __future__ import annotations

import numpy as np
import pytest

from vcbench.speech.features.pitch import pitch
from vcbench.speech.features.settings import MelSettings, PitchSettings

MEL = MelSettings()


METHODS = ["dio", "harvest"]


def harmonics(f0: np.ndarray) -> np.ndarray:
    """A pulse-like tone with the F0 (samples,) in Hz."""
    phase = 2 * np.pi * np.cumsum(f0) / MEL.sampling_rate
    return sum(np.sin(harmonic * phase) / harmonic for harmonic in range(1, 15)) * 0.1


@pytest.mark.parametrize("method", METHODS)
def test_a_chirp_is_followed_on_the_mels_frames(method: str) -> None:
    seconds = np.arange(2 * MEL.sampling_rate) / MEL.sampling_rate
    wave = harmonics(100 * 4 ** (seconds / 2))  # two octaves in two seconds
    log_f0, voiced = pitch(wave, PitchSettings(method=method), MEL)
    frames = len(wave) // MEL.hop
    assert log_f0.shape == voiced.shape == (frames,)
    assert log_f0.dtype == np.float32
    assert voiced.dtype == bool
    centres = (np.arange(frames) + 0.5) * MEL.hop / MEL.sampling_rate
    inner = slice(8, -8)
    assert voiced[inner].all()
    error = log_f0[inner] - (np.log(100) + np.log(4) * centres[inner] / 2)
    # Frames shifted by half a hop would be off by log(4) / 2 * 0.0058 = 0.004; harvest rounds times to milliseconds.
    assert abs(error.mean()) < 0.001
    assert np.abs(error).max() < 0.01


@pytest.mark.parametrize("method", METHODS)
def test_voicing_begins_and_ends_with_the_tone(method: str) -> None:
    wave = harmonics(np.full(MEL.sampling_rate, 220.0))
    wave[: 32 * MEL.hop] = 0
    wave[64 * MEL.hop :] = 0
    log_f0, voiced = pitch(wave, PitchSettings(method=method), MEL)
    assert voiced[36:60].all()
    assert not voiced[:28].any()
    assert not voiced[68:].any()
    assert (log_f0[~voiced] == 0).all()
    np.testing.assert_allclose(log_f0[36:60], np.log(220), atol=0.01)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("samples", [385, 700, 5000])
def test_nothing_voiced_and_few_frames(method: str, samples: int) -> None:
    wave = np.random.default_rng(0).normal(0, 1e-3, samples)
    log_f0, voiced = pitch(wave, PitchSettings(method=method), MEL)
    assert log_f0.shape == voiced.shape == (samples // MEL.hop,)
    assert np.isfinite(log_f0).all()
    assert voiced.mean() <= 0.5
    _, voiced = pitch(np.zeros(samples), PitchSettings(method=method), MEL)
    assert not voiced.any()


def test_bounds_are_kept() -> None:
    wave = harmonics(np.full(MEL.sampling_rate, 300.0))
    _, voiced = pitch(wave, PitchSettings(low=60.0, high=200.0), MEL)
    log_f0, all_voiced = pitch(wave, PitchSettings(), MEL)
    assert voiced.mean() < all_voiced.mean()
    np.testing.assert_allclose(np.exp(log_f0[10:-10]), 300, rtol=0.01)
