"""Other recording conditions: a room, noise and a microphone simulated on a clean recording.

The utterance's id seeds the draw, so an utterance sounds the same in every epoch, system and run, as it would in a corpus recorded
under these conditions. The steps, in order:

- reverberation: the direct sound plus a tail of exponentially decaying noise (Polack's model of a diffuse room), with a reverberation
  time and a direct-to-reverberant ratio from the ranges below. The tail beyond the recording's end is cut to keep its length.
- noise: Gaussian, with a spectrum that falls by 0 to 6 dB per octave, at a signal-to-noise ratio from the range below.
- microphone: a gain that varies smoothly over frequency, drawn for each octave.

The result has the same power as the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
from scipy.signal import fftconvolve

from vcbench.speech.utterance import Utterance

VERSION = 1  # raise it when the code's results change
REVERBERATION_TIME = (0.2, 0.7)  # seconds until the tail has fallen by 60 dB
DIRECT_TO_REVERBERANT = (0.0, 12.0)  # dB
SIGNAL_TO_NOISE = (5.0, 25.0)  # dB
NOISE_SLOPE = (0.0, 6.0)  # dB per octave by which the noise falls
GAIN = 8.0  # dB: the microphone's gain lies between -GAIN and GAIN
LOWEST = 62.5  # Hz: start of the first octave; below it, noise spectrum and gain are flat


def vary(utterances: Sequence[Utterance], share: float) -> list[Utterance]:
    """The same utterances, about `share` of them marked as `varied`; the choice depends on their ids alone.

    A larger share includes all utterances that a smaller one chooses.
    """
    return [replace(one, varied=True) if _generator("chosen", one.id).random() < share else one for one in utterances]


def apply(wave: np.ndarray, rate: int, identity: str) -> np.ndarray:
    """Apply the recording conditions drawn for an utterance.

    Args:
        wave: (samples,) float.
        rate: Hz.
        identity: the utterance's id.

    Returns:
        (samples,) float32, of the same power; clipped at full scale, as a recorder does.
    """
    generator = _generator("conditions", identity)
    heard = _reverberate(wave.astype(np.float64), rate, generator)
    heard = _add_noise(heard, rate, generator)
    heard = _colour(heard, rate, generator)
    heard *= np.sqrt(_power(wave.astype(np.float64)) / max(_power(heard), 1e-20))
    return heard.clip(-1, 1).astype(np.float32)


def _generator(purpose: str, identity: str) -> np.random.Generator:
    digest = sha256(f"{purpose}\x1f{identity}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _power(wave: np.ndarray) -> float:
    return float(np.mean(wave**2))


def _reverberate(wave: np.ndarray, rate: int, generator: np.random.Generator) -> np.ndarray:
    seconds = generator.uniform(*REVERBERATION_TIME)
    times = np.arange(1, int(seconds * rate)) / rate
    tail = generator.standard_normal(len(times)) * 10 ** (-3 * times / seconds)
    tail *= np.sqrt(10 ** (-generator.uniform(*DIRECT_TO_REVERBERANT) / 10) / np.sum(tail**2))
    reverberated: np.ndarray = fftconvolve(wave, np.concatenate([[1.0], tail]))[: len(wave)]
    return reverberated


def _add_noise(wave: np.ndarray, rate: int, generator: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(generator.standard_normal(len(wave)))
    octaves = _octaves(len(wave), rate)
    noise = np.fft.irfft(spectrum * 10 ** (-generator.uniform(*NOISE_SLOPE) * octaves / 20), len(wave))
    ratio = 10 ** (generator.uniform(*SIGNAL_TO_NOISE) / 10)
    return wave + noise * np.sqrt(_power(wave) / max(ratio * _power(noise), 1e-20))


def _colour(wave: np.ndarray, rate: int, generator: np.random.Generator) -> np.ndarray:
    octaves = _octaves(len(wave), rate)
    points = np.arange(int(np.ceil(octaves[-1])) + 1)
    gains = np.interp(octaves, points, generator.uniform(-GAIN, GAIN, len(points)))
    return np.fft.irfft(np.fft.rfft(wave) * 10 ** (gains / 20), len(wave))


def _octaves(samples: int, rate: int) -> np.ndarray:
    """Octaves above `LOWEST` for each bin of a real spectrum, zero below it; (samples // 2 + 1,)."""
    frequencies = np.fft.rfftfreq(samples, 1 / rate)
    octaves: np.ndarray = np.log2(np.maximum(frequencies, LOWEST) / LOWEST)
    return octaves
