"""Speaking rate: whether a conversion is as fast as the target speaks, and as the source spoke.

The rate is the articulation rate (Laver 1994, "Principles of Phonetics"): phones per second of speech, pauses left out. Phones
and their times come from the alignment of the recording to its words (`vcbench.speech.features.phones`), as for
every recording of the corpus; pauses are the frames aligned to silence. Phones are counted where the label changes, so two equal
phones in a row count as one, in every recording alike. Per recording:

- `rate_difference`: distance in phones per second from the target's rate: all phones of the enrolment over all its
  seconds of speech. Its detail has both rates.
- `rate_difference_source`: distance from the rate of the unconverted recording of the same words; 0 for a system that keeps the
  source's timing, up to errors of the alignment.

A recording in which no phone is found has no row.

Cost for 3 s of speech on one core: 0.5 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.speech.features.settings import INVENTORY, SILENCE
from vcbench.speech.utterance import Utterance

SPEECH = INVENTORY.index(SILENCE) + 1  # the first phone; what comes before is no speech


class SpeakingRate(AudioMetric):
    """Articulation rate in phones per second, compared with the target's and with the source's; needs no model."""

    name = "speaking_rate"
    summary = "Compares how many phones per second are spoken with the target's and the source's rates."
    columns: ClassVar[dict[str, Column]] = {
        "rate_difference": Column("Speaking rate difference from target (phones/s)", False, 2),
        "rate_difference_source": Column("Speaking rate difference from source (phones/s)", False, 2, main=False),
    }
    version = 1
    reads = ("text", "spoken", "enrolment")

    def settings(self) -> dict[str, Any]:
        return {"phones": "PocketSphinx, aligned to the words", "rate": "phones per second of speech, without pauses"}

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        return [self._score(conversion) for conversion in conversions]

    def _score(self, conversion: Conversion) -> list[Measurement]:
        spoken = conversion.spoken
        if spoken.features is None:
            raise ValueError(f"Utterance {spoken.id!r} has no feature store.")
        recording = Utterance(spoken.id, spoken.speaker, conversion.path, spoken.text, features=spoken.features)
        own, target, source = rate([recording]), rate(conversion.enrolment), rate([spoken])
        found = [("rate_difference", target), ("rate_difference_source", source)]
        return [
            Measurement(column, abs(own - other), detail={"rate": round(own, 2), "compared with": round(other, 2)})
            for column, other in found
            if own and other
        ]


def rate(utterances: Iterable[Utterance]) -> float:
    """Phones per second of speech in all the recordings together; 0 if there is no phone."""
    phones, seconds = 0, 0.0
    for one in utterances:
        labels = one.phones.numpy()
        phones += count(labels)
        seconds += (labels >= SPEECH).mean() * len(one.wave) / one.sampling_rate if len(labels) else 0.0
    return phones / seconds if phones else 0.0


def count(labels: np.ndarray) -> int:
    """Phones in a sequence of frames (frames,), each labelled with its index in `INVENTORY`."""
    starts = np.diff(labels, prepend=-1) != 0
    return int((starts & (labels >= SPEECH)).sum())
