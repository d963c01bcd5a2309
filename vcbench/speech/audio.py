"""Audio files and waves: read, write, resample, trim, level; and refuse what is not usable speech.

A wave is a mono float32 array ``(samples,)`` with full scale at 1. Two channels are averaged: speech corpora
that are stereo hold one voice twice. `AudioInfo.channels` still says what the file holds.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from vcbench.base.files import write_bytes
from vcbench.base.nouns import counted, verb
from vcbench.speech.audio_header import MAXIMUM_SECONDS, MINIMUM_RATE, AudioError, inspect, problem
from vcbench.speech.audio_header import SUFFIXES as SUFFIXES
from vcbench.speech.audio_header import AudioInfo as AudioInfo

if TYPE_CHECKING:
    from torch import Tensor

SILENCE = 1e-3  # peak of a wave that counts as silent: -60 dB of full scale
FULL_SCALE = 0.999  # a sample at or beyond it counts as clipped

# Of VCTK and LibriSpeech (also as Ogg Vorbis, which overshoots) no file tried had more than 0.0003 of its samples
# at full scale; three of them amplified to clip by 6 dB had 0.0016 to 0.022.
CLIPPED_SHARE = 1e-3

TRIM_DECIBELS = (
    35.0  # below the loudest frame: at 30 a soft last word of VCTK is lost, at 40 the noise of its rooms stays
)

TRIM_MARGIN = 0.05  # seconds kept on either side, for soft onsets and releases
FRAME = 0.025  # seconds of a frame of `frame_levels`
KERNEL_LIMIT = 2000  # of either term of a reduced ratio of rates; the resampling kernel grows with it


def decode(
    path: Path,
    span: tuple[float, float] | None = None,
    minimum_rate: int = MINIMUM_RATE,
    maximum_seconds: float = MAXIMUM_SECONDS,
    largest_clipped: float = CLIPPED_SHARE,
) -> tuple[np.ndarray, int]:
    """Read a file, or `span` (begin and end in seconds) of it: a wave at the file's own rate, and that rate.

    Of its samples a share of `largest_clipped` may be at full scale. The
    whole file is decoded and checked in any case, so that a segment is the same samples whatever the format.
    """
    info = inspect(path, minimum_rate, maximum_seconds)
    try:
        channels, rate = soundfile.read(str(path), info.frames, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, ValueError) as error:
        raise AudioError(f"{path}: corrupt or truncated ({problem(error)}). Get it again.") from error
    if info.frames - len(channels) > 0.1 * rate:
        raise AudioError(
            f"{path}: truncated: {len(channels) / rate:.2f} s of the {info.seconds:.2f} s that its header promises. "
            "Get it again."
        )
    _refuse_bad_samples(path, channels, largest_clipped)
    wave = channels.mean(axis=1)
    where = ""
    if span is not None:
        begin, end = (round(second * rate) if math.isfinite(second) else -1 for second in span)
        if not 0 <= begin < end <= len(wave) + 1:
            raise AudioError(f"{path}: has no segment {span[0]} to {span[1]} s: it is {len(wave) / rate:.3f} s long.")
        wave = wave[begin:end]
        where = f" from {span[0]:.2f} to {span[1]:.2f} s"
    peak = float(np.abs(wave).max())
    if peak < SILENCE:
        cause = " Its two channels cancel each other." if np.abs(channels).max() >= SILENCE and span is None else ""
        raise AudioError(f"{path}: silent{where}: the peak is {peak:.1e}, speech has at least {SILENCE:g}.{cause}")
    return wave, rate


def _refuse_bad_samples(path: Path, channels: np.ndarray, largest_clipped: float) -> None:
    if wrong := int((~np.isfinite(channels)).sum()):
        raise AudioError(f"{path}: {counted(wrong, 'sample')} {verb(wrong, 'is', 'are')} not finite. Get it again.")
    clipped = float((np.abs(channels) >= FULL_SCALE).mean())
    if clipped > largest_clipped:
        raise AudioError(
            f"{path}: clipped: {clipped:.2%} of the samples are at full scale; at most {largest_clipped:.2%} may be. "
            "Record or export it at a lower level."
        )


def read(
    path: Path,
    rate: int,
    span: tuple[float, float] | None = None,
    minimum_rate: int = MINIMUM_RATE,
    maximum_seconds: float = MAXIMUM_SECONDS,
) -> np.ndarray:
    """Read a file, or `span` (begin and end in seconds) of it, as a wave at `rate` Hz.

    Raises:
        AudioError: the file is missing, not audio, corrupt, truncated, empty, silent, clipped, too long, has more
            than two channels, samples that are not numbers, a sampling rate below `minimum_rate`,
            or an odd one.
    """
    wave, own_rate = decode(path, span, minimum_rate, maximum_seconds)
    try:
        return resample(wave, own_rate, rate)
    except AudioError as error:  # an odd rate
        raise AudioError(f"{path}: {error}") from error


def write(path: Path, wave: np.ndarray, rate: int) -> None:
    """Write a wave as 16-bit FLAC (or WAV, by the suffix), whole or not at all.

    A wave beyond full scale is scaled down to it: clipping would add a distortion that nobody's system made.

    Raises:
        AudioError: another suffix, or a wave that is empty, not (samples,) or not finite.
        PlaceError: the file cannot be written there.
    """
    if path.suffix.lower() not in (".flac", ".wav"):
        raise AudioError(f"{path}: audio is written to .flac or .wav, not {path.suffix!r}.")
    if wave.ndim != 1 or not len(wave):
        raise AudioError(f"{path}: a wave to write is (samples,), at least one; received shape {wave.shape}.")
    if not np.isfinite(wave).all():
        raise AudioError(f"{path}: the wave to write has samples that are not finite numbers.")
    peak = float(np.abs(wave).max())
    limit = FULL_SCALE - 1e-3
    # Coded in memory, because libsndfile does not say why a file cannot be written.
    coded, form = io.BytesIO(), path.suffix[1:].upper()
    soundfile.write(coded, wave * (limit / peak) if peak > limit else wave, rate, subtype="PCM_16", format=form)
    write_bytes(path, coded.getvalue())


def resample(wave: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample a wave by windowed sinc interpolation (Kaiser window, 64 zero crossings, 95 percent of the band)."""
    if from_rate == to_rate:
        return wave.astype(np.float32, copy=False)
    terms = from_rate // math.gcd(from_rate, to_rate), to_rate // math.gcd(from_rate, to_rate)
    if max(terms) > KERNEL_LIMIT:
        raise AudioError(
            f"{from_rate} Hz cannot be resampled to {to_rate} Hz: the ratio {terms[0]}:{terms[1]} is too odd. "
            "Use a common rate such as 16000, 22050, 24000, 44100 or 48000 Hz."
        )
    import torch  # here, because checking files needs neither torch nor torchaudio

    with torch.no_grad():
        resampled: np.ndarray = _sinc(*terms)(torch.from_numpy(np.ascontiguousarray(wave, dtype=np.float32))).numpy()
    return resampled


@cache
def _sinc(from_term: int, to_term: int) -> Callable[[Tensor], Tensor]:
    """The resampler with its kernel, which takes longer to compute than to apply."""
    from torchaudio.transforms import Resample

    return Resample(from_term, to_term, "sinc_interp_kaiser", lowpass_filter_width=64, rolloff=0.9475, beta=14.77)


def frame_levels(wave: np.ndarray, rate: int) -> np.ndarray:
    """(frames,): RMS level in dB relative to the loudest frame, frames of `FRAME` seconds side by side."""
    power = np.square(_frames(wave, rate)).mean(axis=1)
    levels: np.ndarray = 10 * np.log10(np.maximum(power, 1e-12) / max(power.max(initial=0.0), 1e-12))
    return levels


def _frames(wave: np.ndarray, rate: int) -> np.ndarray:
    """(frames, samples): the last one filled up with zeros."""
    size = round(FRAME * rate)
    return np.pad(wave.astype(np.float64), (0, -len(wave) % size)).reshape(-1, size)


def trim_silence(wave: np.ndarray, rate: int, top_db: float = TRIM_DECIBELS) -> np.ndarray:
    """Cut both ends up to the first and from the last frame within `top_db` of the loudest, less `TRIM_MARGIN`."""
    loud = np.flatnonzero(frame_levels(wave, rate) > -top_db)
    if not len(loud):
        return wave
    margin, size = round(TRIM_MARGIN * rate), round(FRAME * rate)
    return wave[max(0, loud[0] * size - margin) : (loud[-1] + 1) * size + margin]


def level(wave: np.ndarray, rate: int, decibels: float = -26.0) -> np.ndarray:
    """Scale a wave so that its frames within `TRIM_DECIBELS` of the loudest have this RMS level (dB of full scale).

    Where that would pass full scale, the wave is scaled to full scale instead.
    """
    active = _frames(wave, rate)[frame_levels(wave, rate) > -TRIM_DECIBELS]
    if not len(active) or not active.any():
        raise AudioError("A silent wave has no level to change.")
    gain = 10 ** (decibels / 20) / float(np.sqrt(np.square(active).mean()))
    return (wave * min(gain, (FULL_SCALE - 1e-3) / float(np.abs(wave).max()))).astype(np.float32)
