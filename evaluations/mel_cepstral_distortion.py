"""Mel-cepstral distortion and log-F0 error: how far a conversion is from the target's recording of the same words.

For parallel corpora. Mel-cepstra of WORLD's spectral envelope (Morise et al. 2016), coefficients 1 to 24, without the energy
term c0; recordings are brought to the same level first. The frames of both recordings, voiced and
unvoiced, are aligned by exact dynamic time warping; the value is the mean over the path of

    10 / ln(10) * sqrt(2 * sum_d (c_d - c'_d)^2)    in dB

after Kubichek (1993), "Mel-cepstral distance measure for objective speech quality assessment": the distance between two log
amplitude spectra on a mel axis, in dB, where c_d are the coefficients of the cosine series of the log amplitude. The best value
is 0, which `target` has by construction. The mel axis is an all-pass warping with a constant for the sampling rate (0.455 at
22.05 kHz).

`log_f0_rmse` is the root of the mean square of the difference of ln(F0) along the same path, over frames voiced in both, as in
ESPnet's evaluation of speech synthesis; 0.06 is a semitone. Without such a frame there is no row. F0 by WORLD's DIO and StoneMask.

Values from other programs are not comparable. pymcd treats WORLD's power as an amplitude, which doubles the distance,
counts c0, uses 13 coefficients and an all-pass constant of 0.65, and aligns approximately; `cepstra` with those settings
reproduces its figures.

Cost for 3 s of speech on one core: 0.2 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyworld
from scipy.spatial.distance import cdist

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.speech import audio

ORDER = 24  # coefficients, without c0
FRAME_PERIOD = 5.0  # milliseconds
Path = tuple[np.ndarray, np.ndarray]  # frames of the first recording, and those of the second aligned with them
DECIBELS = 10 / np.log(10) * np.sqrt(2)
FLOOR = 1e-8  # added to the power spectrum before the logarithm, as pymcd does


class MelCepstralDistortion(AudioMetric):
    """Mel-cepstral distortion and log-F0 error to the target's parallel recording; a trial without one has no row."""

    name = "mel_cepstral_distortion"
    summary = "Measures the distance of spectrum and F0 to the target's own recording of the same sentence, where there is one."
    columns: ClassVar[dict[str, Column]] = {
        "mcd": Column("Mel-cepstral distortion (dB)", False, 2, needs="a parallel recording of the target"),
        "log_f0_rmse": Column("RMSE of ln(F0)", False, 3, main=False, needs="a parallel recording of the target"),
    }
    version = 2
    reads = ("reference",)

    def settings(self) -> dict[str, Any]:
        return {
            "cepstra": f"1-{ORDER} of WORLD's envelope, every {FRAME_PERIOD:g} ms, without energy",
            "alignment": "exact DTW over all frames",
            "F0": "WORLD's DIO and StoneMask",
        }

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        references: dict[str, Analysis] = {}
        results: list[list[Measurement]] = []
        for conversion in conversions:
            reference = conversion.reference
            if reference is None:
                results.append([])
                continue
            rate = reference.sampling_rate
            if reference.id not in references:
                references[reference.id] = analyse(reference.wave.numpy(), rate)
            converted = analyse(audio.read(conversion.path, rate), rate)
            results.append(_compare(converted, references[reference.id], reference.id))
        return results


def _compare(converted: Analysis, reference: Analysis, name: str) -> list[Measurement]:
    value, path = distortion(converted.cepstra, reference.cepstra)
    scores = [Measurement("mcd", value, detail={"reference": name, "frames": len(path[0])})]
    error, common = log_f0_error(converted.f0[path[0]], reference.f0[path[1]])
    if common:
        scores.append(Measurement("log_f0_rmse", error, detail={"frames voiced in both": common}))
    return scores


class Analysis(NamedTuple):
    """Of a recording, on the same frames.

    Attributes:
        cepstra: (frames, `ORDER`), without energy.
        f0: (frames,) in Hz, 0 where unvoiced.
    """

    cepstra: np.ndarray
    f0: np.ndarray


def analyse(wave: np.ndarray, rate: int) -> Analysis:
    """Mel-cepstra and F0 of a wave (samples,); the wave's level has no effect."""
    power, f0 = envelope(audio.level(wave, rate), rate)
    return Analysis(cepstra(power, rate)[:, 1:], f0)


def envelope(wave: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """WORLD's power spectrum, (frames, bins), and F0, (frames,), of a wave (samples,)."""
    samples = np.ascontiguousarray(wave, dtype=np.float64)
    rough, times = pyworld.dio(samples, rate, frame_period=FRAME_PERIOD)
    f0 = pyworld.stonemask(samples, rough, times, rate)
    return pyworld.cheaptrick(samples, f0, times, rate), f0


def log_f0_error(first: np.ndarray, second: np.ndarray) -> tuple[float, int]:
    """RMSE of ln(F0) between two aligned contours in Hz (frames,), 0 where unvoiced, and the number of frames voiced in both."""
    both = (first > 0) & (second > 0)
    if not both.any():
        return 0.0, 0
    return float(np.sqrt(np.square(np.log(first[both] / second[both])).mean())), int(both.sum())


def cepstra(power: np.ndarray, rate: int, order: int = ORDER, alpha: float | None = None) -> np.ndarray:
    """Mel-cepstra c_0 ... c_order, (frames, order + 1), of a power spectrum (frames, bins).

    log amplitude = c_0 + sum_d c_d cos(d w), where w is the frequency warped by the all-pass of constant `alpha`
    (by default `mel_constant(rate)`): the cepstrum of the log spectrum, warped (Oppenheim and Johnson 1972).
    """
    constant = mel_constant(rate) if alpha is None else alpha
    cepstrum = np.fft.irfft(np.log(power + FLOOR))
    half = cepstrum[:, : power.shape[1]]
    half[:, [0, -1]] /= 2
    return half @ _warping(half.shape[1], order, constant)


@cache
def _warping(size: int, order: int, alpha: float) -> np.ndarray:
    """(size, order + 1): the weight of each cepstral coefficient in each warped one, by Oppenheim's recursion."""
    matrix = np.zeros((size, order + 1))
    matrix[0, 0] = 1.0
    for row in range(1, size):
        before, warped = matrix[row - 1], matrix[row]
        warped[0] = alpha * before[0]
        warped[1:2] = (1 - alpha**2) * before[:1] + alpha * before[1:2]
        for index in range(2, order + 1):
            warped[index] = before[index - 1] + alpha * (before[index] - warped[index - 1])
    return matrix


@cache
def mel_constant(rate: int) -> float:
    """The all-pass constant whose warped frequency axis is closest to the mel scale, to three digits."""
    angle = np.linspace(0, np.pi, 512)
    mel = np.log1p(angle / np.pi * rate / 2 / 1000)
    mel /= mel[-1]

    def distance(alpha: float) -> float:
        warped = angle + 2 * np.arctan(alpha * np.sin(angle) / (1 - alpha * np.cos(angle)))
        return float(np.square(warped / np.pi - mel).sum())

    return float(min((step / 1000 for step in range(800)), key=distance))


def distortion(first: np.ndarray, second: np.ndarray) -> tuple[float, Path]:
    """Mean distance in dB between two sequences of cepstra (frames, coefficients) on the best alignment; the alignment."""
    distances = cdist(first, second)
    path = align(distances)
    return float(DECIBELS * distances[path].mean()), path


def align(distances: np.ndarray) -> Path:
    """Rows and columns of the path from corner to corner with the smallest sum; it steps one down, one right, or both.

    Args:
        distances: (rows, columns).
    """
    rows, columns = distances.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):  # a diagonal depends only on the two before it
        row = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        column = diagonal - row
        best = np.minimum(np.minimum(total[row, column + 1], total[row + 1, column]), total[row, column])
        total[row + 1, column + 1] = distances[row, column] + best
    row, column = rows, columns
    path = [(row - 1, column - 1)]
    while (row, column) != (1, 1):
        steps = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        row, column = min(steps, key=total.__getitem__)
        path.append((row - 1, column - 1))
    down, across = np.array(path[::-1]).T
    return down, across
