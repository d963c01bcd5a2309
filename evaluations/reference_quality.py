"""PESQ and STOI: quality and intelligibility, compared with the target's recording of the same words.

For parallel corpora. By the packages pesq and pystoi, at 16 kHz:

- `pesq`: wideband PESQ (ITU-T P.862.2), a predicted opinion score from 1.04 to 4.64. A recording in which it finds no speech has
  no row.
- `stoi`: short-time objective intelligibility (Taal et al. 2011), and `estoi`, its extended form (Jensen and Taal 2016); up to 1.

Both compare a recording with the signal that it should be, at the same time. The target says the words with another timing than
the source did, so the reference is first brought to the recording's timing: by WSOLA (Verhelst and Roelands 1993) along the
alignment of `mel_cepstral_distortion`. Where the alignment lowers the distance to the reference by less than a sixth, as it does
in noise, the timing is the same already: the reference stays as it is, and the values are the packages' own.

With other timing, prosody and warping lower the values: the same voice with half a sentence slowed down had a STOI of 0.24 to 0.35
as it was and of 0.74 to 0.80 once aligned, where 1 would be right. So compare systems within one table, and not with figures of
codecs or enhancement. `target` has the best values by construction; `oracle` shows what the vocoder costs.

Cost for 3 s of speech on one core: 0.7 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.base.errors import ModelUnavailable
from vcbench.speech import audio

from .mel_cepstral_distortion import DECIBELS, FRAME_PERIOD, Path, analyse, distortion

RATE = 16_000  # Hz
FRAME = int(RATE * FRAME_PERIOD / 1000)  # samples
SAME_LENGTH = 4  # frames
SAME_TIMING = 1.2  # in noise of 7 dB it was 1.11 at most, between two voices that say one sentence 1.3 at least
SPACING = 10  # frames between two points of the alignment that WSOLA follows
PACKAGES = ("pesq", "pystoi", "pytsmod")
NEEDS = "a parallel recording of the target"


class ReferenceQuality(AudioMetric):
    """PESQ and STOI against the target's parallel recording; a trial without one has no row."""

    name = "reference_quality"
    summary = "Computes PESQ and STOI against the target's own recording of the same sentence, where there is one."
    columns: ClassVar[dict[str, Column]] = {
        "pesq": Column("PESQ (wideband)", True, 2, needs=NEEDS),
        "stoi": Column("STOI", True, 3, needs=NEEDS),
        "estoi": Column("Extended STOI", True, 3, main=False, needs=NEEDS),
    }
    version = 1
    reads = ("reference",)

    def check(self) -> None:
        if lacking := [name for name in PACKAGES if find_spec(name) is None]:
            raise ModelUnavailable(
                f"reference_quality needs {' and '.join(lacking)}. Get it with: pip install {' '.join(lacking)}"
            )

    def settings(self) -> dict[str, Any]:
        return {
            "packages": "pesq 0.0.4, pystoi 0.4",
            "rate": RATE,
            "timing": "the recording's, by WSOLA along exact DTW",
        }

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        return [self._score(conversion) for conversion in conversions]

    def _score(self, conversion: Conversion) -> list[Measurement]:
        if conversion.reference is None:
            return []
        recording = audio.read(conversion.path, RATE).astype(np.float64)
        wave = conversion.reference.wave.numpy()
        reference = audio.resample(wave, conversion.reference.sampling_rate, RATE).astype(np.float64)
        return compare(recording, in_time(reference, recording))


def compare(recording: np.ndarray, reference: np.ndarray) -> list[Measurement]:
    """PESQ and STOI of a recording against a reference of the same timing, (samples,) each at `RATE`."""
    from pesq import NoUtterancesError, pesq
    from pystoi import stoi

    scores = [
        Measurement("stoi", float(stoi(reference, recording, RATE))),
        Measurement("estoi", float(stoi(reference, recording, RATE, extended=True))),
    ]
    try:
        scores.append(Measurement("pesq", float(pesq(RATE, reference, recording, "wb"))))
    except NoUtterancesError:
        return scores
    return scores


def in_time(reference: np.ndarray, recording: np.ndarray) -> np.ndarray:
    """The reference with the recording's timing and length, (samples,) at `RATE`."""
    first, second = analyse(recording, RATE).cepstra, analyse(reference, RATE).cepstra
    aligned, path = distortion(first, second)
    if not _same_timing(first, second, aligned):
        from pytsmod import wsola

        reference = wsola(reference, _points(path, len(reference), len(recording)))
    return np.pad(reference, (0, max(0, len(recording) - len(reference))))[: len(recording)]


def _same_timing(first: np.ndarray, second: np.ndarray, aligned: float) -> bool:
    """Whether cepstra differ frame by frame by hardly more than `aligned`, which is how much they differ when aligned, in dB."""
    if abs(len(first) - len(second)) > SAME_LENGTH:
        return False
    common = min(len(first), len(second))
    as_it_is = DECIBELS * np.linalg.norm(first[:common] - second[:common], axis=1).mean()
    return bool(as_it_is <= SAME_TIMING * aligned)


def _points(path: Path, samples: int, wanted: int) -> np.ndarray:
    """(2, points): increasing positions in the reference, and those in the recording that they go to, in samples."""
    frames = np.bincount(path[0])
    times = np.bincount(path[0], path[1]) / frames  # the reference's frame at each of the recording's
    kept = np.arange(SPACING, len(times) - SPACING, SPACING)
    inside = np.stack([times[kept], kept]) * FRAME
    inside = inside[:, (np.diff(inside[0], prepend=0) >= 1) & (inside[0] < samples - FRAME)]
    return np.concatenate([[[0], [0]], inside, [[samples - 1], [wanted - 1]]], axis=1).round().astype(int)
