"""Clips that differ in nothing but the voice: trimmed, faded, equally loud, and on one page equally long."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyloudnorm
import soundfile
from scipy import signal

from vcbench.listening.kinds import ListeningError
from vcbench.speech import audio

LOUDNESS = -23.0  # LUFS (EBU R 128)
LOWEST_LOUDNESS = -30.0  # LUFS
PEAK_LIMIT = -1.0  # dB of full scale, true peak
FADE = 0.005  # seconds; BS.1534-3
BLOCK = 0.4  # seconds; BS.1770's gating block
Name = TypeVar("Name", bound=Hashable)


def read_clip(path: Path, rate: int, span: tuple[float, float] | None = None) -> np.ndarray:
    """(samples,) float32 at `rate`: the recording without silence at its ends, faded in and out."""
    wave = audio.trim_silence(audio.read(path, rate, span), rate)
    if len(wave) < BLOCK * rate:
        raise ListeningError(
            f"{path} has {len(wave) / rate:.2f} s of speech; loudness is measured over {BLOCK} s or more."
        )
    return faded(wave, rate)


def faded(wave: np.ndarray, rate: int) -> np.ndarray:
    """`wave` with raised-cosine ends of FADE seconds, so that no clip begins or ends with a click."""
    length = round(FADE * rate)
    ramp = (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)
    shaped = wave.copy()
    shaped[:length] *= ramp
    shaped[-length:] *= ramp[::-1]
    return shaped


def loudness(wave: np.ndarray, rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4)."""
    return float(pyloudnorm.Meter(rate, block_size=BLOCK).integrated_loudness(wave.astype(np.float64)))


def true_peak(wave: np.ndarray) -> float:
    """Peak between the samples, in dB of full scale, by fourfold oversampling (ITU-R BS.1770-4, annex 2)."""
    return float(20 * np.log10(max(np.abs(signal.resample_poly(wave, 4, 1)).max(), 1e-9)))


def level(waves: Mapping[Name, np.ndarray], rate: int) -> tuple[dict[Name, np.ndarray], float]:
    """Waves of one loudness, and that loudness in LUFS.

    Give them as they are written, padding included: BS.1770's blocks at the ends of a short clip count otherwise.
    The loudness is LOUDNESS, or less where a peak would pass PEAK_LIMIT: all clips are lowered together, as one that
    alone is softer, or limited, would be told from the others by that.

    Raises:
        ListeningError: a clip whose peaks would pull all others below LOWEST_LOUDNESS.
    """
    measured = {name: loudness(wave, rate) for name, wave in waves.items()}
    room = {name: PEAK_LIMIT - true_peak(wave) + measured[name] for name, wave in waves.items()}
    tightest = min(room, key=lambda name: room[name])
    common = min(LOUDNESS, room[tightest])
    if common < LOWEST_LOUDNESS:
        raise ListeningError(
            f"{tightest} has peaks {PEAK_LIMIT - room[tightest]:.0f} dB above its loudness; all clips would have to be as soft as "
            f"{common:.0f} LUFS, and the limit is {LOWEST_LOUDNESS:.0f}. Listen to it; leave its row or trial out."
        )
    levelled = {name: wave * np.float32(10 ** ((common - measured[name]) / 20)) for name, wave in waves.items()}
    return levelled, common


def padded(wave: np.ndarray, samples: int) -> np.ndarray:
    """`wave` with silence after it, `samples` long."""
    return np.pad(wave, (0, samples - len(wave)))


def write_clip(path: Path, wave: np.ndarray, rate: int) -> None:
    """A 16-bit WAV file of format and samples alone: nothing in it says where the clip is from."""
    soundfile.write(str(path), wave, rate, format="WAV", subtype="PCM_16")
