"""Speaker verification among a corpus's own recordings: where a cosine means the same speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vcbench.api.metric import RunView

if TYPE_CHECKING:
    from vcbench.speech.utterance import Utterance

RECORDINGS = 6  # of each speaker, at most, for the threshold


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of two vectors of any length."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def held_out_recordings(run: RunView, enrolment: int) -> list[list[Utterance]]:
    """Recordings not used in training, by speaker; only speakers with more of them than an enrolment has."""
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in sorted([*run.split.held_out, *run.split.unseen], key=lambda one: one.id):
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    return [own[: max(RECORDINGS, enrolment + 1)] for _, own in sorted(by_speaker.items()) if len(own) > enrolment]


def verification_cosines(speakers: Sequence[np.ndarray], enrolment: int) -> tuple[list[float], list[float]]:
    """Cosines of each recording to the mean of `enrolment` other recordings of its speaker, and of every other speaker.

    Args:
        speakers: (recordings, channels) of each speaker, with more recordings than `enrolment`.
    """
    same, different = [], []
    for row, own in enumerate(speakers):
        for index, recording in enumerate(own):
            others = np.roll(own, -index - 1, axis=0)[:enrolment]
            same.append(cosine(recording, others.mean(axis=0)))
            different += [
                cosine(recording, other[:enrolment].mean(axis=0)) for at, other in enumerate(speakers) if at != row
            ]
    return same, different


def equal_error_rate(same: Sequence[float], different: Sequence[float]) -> tuple[float, float]:
    """The error rate where the share of `same` below the threshold equals that of `different` at or above it; the threshold.

    With finitely many trials the two shares are rarely equal: the rate is their mean where they are closest.
    """
    candidates = np.unique(np.concatenate([same, different]))
    refused = np.searchsorted(np.sort(same), candidates, side="left") / len(same)
    accepted = 1 - np.searchsorted(np.sort(different), candidates, side="left") / len(different)
    best = int(np.argmin(np.abs(refused - accepted)))
    return float((refused[best] + accepted[best]) / 2), float(candidates[best])
