"""A conversion: what a metric of recordings is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vcbench.speech.utterance import Speaker, Utterance


@dataclass(frozen=True)
class Conversion:
    """A converted (or reference) recording, ready to be scored.

    Attributes:
        system: the leaderboard's row: a system, or ``source``, ``oracle``, ``target``, ``world``.
        path: the FLAC file at the run's sampling rate.
        audio_hash: SHA-256 of that file.
        source: the trial's source utterance.
        spoken: the utterance whose words are spoken: the source, or for ``target`` and ``oracle`` the target's own.
        target: the target speaker with the reference recordings that the system was given.
        enrolment: recordings of the target for speaker similarity; never one that the system was given.
        reference: the target's own recording of the source's words, where the corpus is parallel.
        others: further speakers, neither the source's nor the target, each with recordings like the enrolment.
        conditioned_on: name of the pretrained speaker encoder that conditioned the system; a metric with the same one gives no score.
    """

    system: str
    trial: str
    condition: str
    path: Path
    audio_hash: str
    source: Utterance
    spoken: Utterance
    target: Speaker
    enrolment: tuple[Utterance, ...]
    reference: Utterance | None = None
    others: tuple[Speaker, ...] = ()
    conditioned_on: str | None = None
