"""Make clips comparable: trimmed, faded, equally loud, and equally long on a page."""

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
            f"{path} has {len(wave) / rate:.2f} s of speech; measuring its loudness needs at least {BLOCK} s. "
            "Leave out its trial or row."
        )
    return faded(wave, rate)


def faded(wave: np.ndarray, rate: int) -> np.ndarray:
    """`wave` with raised-cosine fades of FADE seconds at both ends, so that no clip starts or ends with a click."""
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
    """Inter-sample peak in dBFS, by fourfold oversampling (ITU-R BS.1770-4, annex 2)."""
    return float(20 * np.log10(max(np.abs(signal.resample_poly(wave, 4, 1)).max(), 1e-9)))


def level(waves: Mapping[Name, np.ndarray], rate: int) -> tuple[dict[Name, np.ndarray], float]:
    """Scale waves to a common loudness; return them and that loudness in LUFS.

    Pass the waves padded as they are written: padding changes how BS.1770 weights the blocks at the ends of a short clip.
    The loudness is LOUDNESS, or lower if a peak would exceed PEAK_LIMIT. Then all clips are lowered together, because
    listeners could recognise a single clip that is softer or limited.

    Raises:
        ListeningError: a clip whose peaks would pull all others below LOWEST_LOUDNESS.
    """
    measured = {name: loudness(wave, rate) for name, wave in waves.items()}
    room = {name: PEAK_LIMIT - true_peak(wave) + measured[name] for name, wave in waves.items()}
    tightest = min(room, key=lambda name: room[name])
    common = min(LOUDNESS, room[tightest])
    if common < LOWEST_LOUDNESS:
        raise ListeningError(
            f"{tightest} has peaks {PEAK_LIMIT - room[tightest]:.0f} dB above its loudness; all clips would have to be lowered to "
            f"{common:.0f} LUFS, and the limit is {LOWEST_LOUDNESS:.0f}. Listen to it, and leave out its row or trial."
        )
    levelled = {name: wave * np.float32(10 ** ((common - measured[name]) / 20)) for name, wave in waves.items()}
    return levelled, common


def padded(wave: np.ndarray, samples: int) -> np.ndarray:
    """`wave`, padded with silence to `samples`."""
    return np.pad(wave, (0, samples - len(wave)))


def write_clip(path: Path, wave: np.ndarray, rate: int) -> None:
    """Write a 16-bit WAV file without metadata, so that nothing in it reveals the origin of the clip."""
    soundfile.write(str(path), wave, rate, format="WAV", subtype="PCM_16")
