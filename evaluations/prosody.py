"""Prosody: whether the source's melody is kept, and whether the voice is in the target's register.

F0 and voicing by WORLD on the mel's frames, with the settings of the corpus's features. Per recording:

- `f0_correlation`: Pearson correlation of log-F0 with the unconverted recording of the same words, over frames voiced in both.
  1 is the same melody, at any pitch and range. With fewer than `ENOUGH` such frames, or a constant pitch, there is no melody and
  it counts as 0.
- `voicing_error`: the share of frames voiced in one and not in the other.
- `register_difference`: distance in semitones between the median F0 of the recording and that of the target's enrolment; its
  detail has the sign. A recording without voiced frames has no row: `voicing_error` shows it.

A recording whose length differs from the source's is stretched uniformly first; if a system keeps the timing, frames are compared
one to one. `target` is compared with its own recording: a correlation of 1 by construction.

Cost for 3 s of speech on one core: 0.02 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.speech import audio

ENOUGH = 10  # frames voiced in both, of about 12 ms each
SMALLEST_DEVIATION = 1e-3  # of log-F0, a sixtieth of a semitone; below it the pitch is constant
SEMITONES = 12 / np.log(2)  # per unit of log-F0
Contour = tuple[np.ndarray, np.ndarray]  # log-F0 (frames,), 0 where unvoiced; voiced (frames,) bool


class Prosody(AudioMetric):
    """Melody and voicing compared with the source, and register compared with the target; needs no model."""

    name = "prosody"
    summary = "Compares melody and voicing with the source's, and pitch register with the target's."
    columns: ClassVar[dict[str, Column]] = {
        "f0_correlation": Column("Correlation of log-F0 with the source", True, 3),
        "voicing_error": Column("Voicing error (%)", False, 1, percent=True),
        "register_difference": Column("Median F0 difference from target (semitones)", False, 2, detail="semitones"),
    }
    version = 1
    reads = ("spoken", "enrolment")

    def settings(self) -> dict[str, Any]:
        return {"F0": "WORLD, as the corpus's features"}

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        return [self._score(conversion) for conversion in conversions]

    def _score(self, conversion: Conversion) -> list[Measurement]:
        store = conversion.spoken.features
        if store is None:
            raise ValueError(f"Utterance {conversion.spoken.id!r} has no feature store.")
        wave = torch.from_numpy(audio.read(conversion.path, store.sampling_rate))
        log_f0, voiced = store.pitch_of_wave(wave)
        converted = log_f0.numpy(), voiced.numpy()
        original = conversion.spoken.log_f0.numpy(), conversion.spoken.voiced.numpy()
        correlation, error, common = compare(converted, original)
        scores: list[Measurement] = [
            Measurement("f0_correlation", correlation, detail={"frames voiced in both": common}),
            Measurement("voicing_error", error),
        ]
        wanted = np.concatenate([one.log_f0.numpy()[one.voiced.numpy()] for one in conversion.enrolment])
        if converted[1].any() and len(wanted):
            difference = float(np.median(converted[0][converted[1]]) - np.median(wanted)) * SEMITONES
            scores.append(
                Measurement("register_difference", abs(difference), detail={"semitones": round(difference, 2)})
            )
        return scores


def compare(converted: Contour, original: Contour) -> tuple[float, float, int]:
    """Correlation of log-F0, share of frames whose voicing differs, and the number of frames voiced in both."""
    frames = len(converted[0])
    same_time = np.round(np.linspace(0, len(original[0]) - 1, frames)).astype(int)
    log_f0, voiced = original[0][same_time], original[1][same_time]
    both = converted[1] & voiced
    first, second = converted[0][both].astype(np.float64), log_f0[both].astype(np.float64)
    common = int(both.sum())
    correlation = 0.0
    if common >= ENOUGH and min(first.std(), second.std()) > SMALLEST_DEVIATION:
        correlation = float(np.corrcoef(first, second)[0, 1])
    return correlation, float((converted[1] != voiced).mean()), common
