"""Cut recordings into segments that do not overlap, for speakers with too few recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vcbench.base.errors import UserError
from vcbench.base.nouns import counted
from vcbench.speech import audio
from vcbench.speech.utterance import Utterance

REACH = 0.5  # seconds by which a cut may move from the even division to a quiet point
SMOOTHING = 3  # frames over which the level is averaged before the search for the quietest point


class TooLittleSpeech(UserError):
    """A recording or a speaker has too little speech for its purpose."""


def cut_evenly(utterance: Utterance, at_least: int, minimum: float, wanted: float) -> list[Utterance]:
    """Cut a recording into `at_least` segments or more: as many as have `wanted` seconds, none shorter than `minimum` seconds.

    Raises:
        TooLittleSpeech: between the silences at its ends the recording is too short.
        AudioError: it cannot be used.
    """
    begin, end, levels = _speech(utterance)
    count = max(at_least, int((end - begin) / wanted))
    _require(utterance, end - begin, count * minimum, counted(count, "segment"))
    return _segments(utterance, levels, np.linspace(begin, end, count + 1), minimum)


def cut_off_end(
    utterance: Utterance, share: float, at_least: int, at_most: int, minimum: float, wanted: float
) -> list[Utterance]:
    """Cut a recording into its larger first part and `at_least` to `at_most` segments of its end.

    The end is about `share` of the recording; more if its segments would be shorter than `minimum` seconds, less if
    `at_most` segments of `wanted` seconds are enough.

    Raises:
        TooLittleSpeech: between the silences at its ends the recording is too short.
        AudioError: it cannot be used.
    """
    begin, end, levels = _speech(utterance)
    count = min(max(at_least, int(share * (end - begin) / wanted)), at_most)
    length = min(wanted, max(minimum, share * (end - begin) / count))
    _require(utterance, end - begin, count * length + minimum, f"one segment and {count} more")
    places = [begin, *(end - length * np.arange(count, -1, -1))]
    return _segments(utterance, levels, places, minimum)


def _speech(utterance: Utterance) -> tuple[float, float, np.ndarray]:
    """Begin and end of speech in seconds from the start of the utterance, and the level of each frame in dB."""
    wave, rate = audio.decode(utterance.path, utterance.span)
    levels = audio.frame_levels(wave, rate)
    loud = np.flatnonzero(levels > -audio.TRIM_DECIBELS) * audio.FRAME
    begin, end = loud[0] - audio.TRIM_MARGIN, loud[-1] + audio.FRAME + audio.TRIM_MARGIN
    return max(0.0, begin), min(len(wave) / rate, end), levels


def _require(utterance: Utterance, seconds: float, needed: float, purpose: str) -> None:
    if seconds < needed:
        raise TooLittleSpeech(
            f"{utterance.path} has {seconds:.1f} s of speech; {needed:.1f} s are needed to cut it into {purpose}. "
            "Add recordings of this speaker, or lower split.minimum_seconds."
        )


def _segments(
    utterance: Utterance, levels: np.ndarray, places: Sequence[float] | np.ndarray, minimum: float
) -> list[Utterance]:
    """The segments between `places` (seconds), each inner one moved to the quietest point within `REACH`."""
    smooth = np.convolve(np.pad(levels, SMOOTHING // 2, mode="edge"), np.full(SMOOTHING, 1 / SMOOTHING), mode="valid")
    centres = (np.arange(len(levels)) + 0.5) * audio.FRAME
    cuts = [float(places[0])]
    for index, place in enumerate(places[1:-1], 1):
        lowest = max(cuts[-1] + minimum, place - REACH)
        highest = min(place + REACH, places[-1] - minimum * (len(places) - 1 - index))
        within = np.flatnonzero((centres >= lowest) & (centres <= highest))
        cuts.append(float(centres[within[smooth[within].argmin()]]) if len(within) else float(lowest))
    cuts.append(float(places[-1]))
    start = utterance.span[0] if utterance.span else 0.0
    return [
        replace(
            utterance, id=f"{utterance.id}@{number}", text=None, span=(start + cuts[number], start + cuts[number + 1])
        )
        for number in range(len(cuts) - 1)
    ]
