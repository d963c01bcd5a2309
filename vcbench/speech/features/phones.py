"""Phones with their times by PocketSphinx: aligned to the text if it fits the recording, else recognised."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import pocketsphinx

from vcbench.speech.features.pronunciation import UnreadableText, is_spelled, pronounce, words
from vcbench.speech.features.settings import INVENTORY, SILENCE, MelSettings

RATE = 16_000  # Hz, of PocketSphinx's bundled en-us model
STEP, WINDOW = 160, 410  # samples, of its frames
ALIGNED = "aligned"

NATS = 1024 * math.log(
    1.0001
)  # per unit of the acoustic score: PocketSphinx's logarithm to base 1.0001, shifted by 10 bits

# Nats per frame by which the text may explain the recording worse than free phones do. In LibriSpeech, VCTK and flite's voices
# resynthesised by WORLD, correct transcripts had -2.4 at worst, those of another recording -3.2 at best.
MISMATCH = -2.75


@dataclass(frozen=True)
class Phones:
    """Phones of a recording.

    Attributes:
        ids: (frames,) int64: index in `INVENTORY`, on the mel's frames.
        how: "aligned", or "recognised" and the reason.
    """

    ids: np.ndarray
    how: str


class Segment(NamedTuple):
    phone: str
    frames: int  # PocketSphinx's
    score: float  # nats


def align(wave: np.ndarray, text: str, settings: MelSettings, frames: int) -> Phones:
    """Phones of a recording with a known text.

    Falls back to recognition if the text is not English, cannot be aligned, or does not fit, i.e. if the alignment's
    likelihood ratio to freely recognised phones is below `MISMATCH`.

    Args:
        wave: (samples,) float32 at 16 kHz, with the same start as the mel spectrogram.
        frames: of the mel spectrogram.
    """
    recording = _samples(wave)
    try:
        segments = _align(recording, words(text))
    except (UnreadableText, AlignmentFailed) as error:
        return _recognised(_recognise(recording), settings, frames, str(error))
    # The recogniser's score is negative too: a text that explains the recording this well needs no comparison.
    if (likelihood := _likelihood(segments)) < MISMATCH:
        free = _recognise(recording)
        if free and (ratio := likelihood - _likelihood(free)) < MISMATCH:
            reason = f"the text does not fit the recording (log-likelihood ratio {ratio:.1f} a frame)"
            return _recognised(free, settings, frames, reason)
    return Phones(_on_mel_frames(segments, settings, frames), ALIGNED)


def recognise(wave: np.ndarray, settings: MelSettings, frames: int, reason: str) -> Phones:
    """Phones of a recording without text: PocketSphinx's phone loop with its bundled phone bigrams.

    Compared with flite's own phone times, 67 percent of frames are correct, and 87 percent with alignment.
    """
    return _recognised(_recognise(_samples(wave)), settings, frames, reason)


class AlignmentFailed(Exception):
    """PocketSphinx found no path through the words."""


def _recognised(segments: list[Segment], settings: MelSettings, frames: int, reason: str) -> Phones:
    how = "recognised" if segments else "no phones were recognised"
    return Phones(_on_mel_frames(segments, settings, frames), f"{how}, because {reason}")


@cache
def _aligner() -> pocketsphinx.Decoder:
    # Beams wider than the default 1e-48, for voices unlike the model's; the search for the best path in the lattice is
    # off, because its durations are often too short for the second pass, which then fails.
    return pocketsphinx.Decoder(lm=None, beam=1e-64, pbeam=1e-64, wbeam=1e-48, bestpath=False, loglevel="FATAL")


@cache
def _recogniser() -> pocketsphinx.Decoder:
    bigrams = pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin")
    return pocketsphinx.Decoder(lm=None, allphone=bigrams, lw=2.0, beam=1e-20, pbeam=1e-20, loglevel="FATAL")


def _samples(wave: np.ndarray) -> bytes:
    return (np.clip(wave, -1, 1) * 32767).astype(np.int16).tobytes()


def _decode(decoder: pocketsphinx.Decoder, recording: bytes) -> None:
    """Decode one whole utterance.

    If that is cut short, as by Ctrl-C, the decoder stays within the utterance and fails on all that follow: their phones would
    be recognised where they could be aligned, and cached. So the next utterance gets a new decoder.
    """
    try:
        decoder.start_utt()
        decoder.process_raw(recording, full_utt=True)
        decoder.end_utt()
    except BaseException:
        _aligner.cache_clear()
        _recogniser.cache_clear()
        raise


def _align(recording: bytes, spoken: list[str]) -> list[Segment]:
    """First the words, then the phones within them."""
    decoder = _aligner()
    decoder.reinit_feat()  # forget the noise estimate of the previous recording
    for word in spoken:
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, " ".join(_pronunciation(decoder, word)), update=True)
    try:
        decoder.set_align_text(" ".join(spoken))
        _decode(decoder, recording)
        if decoder.hyp() is None:
            raise AlignmentFailed("the text cannot be aligned with the recording")
        decoder.set_alignment()
        _decode(decoder, recording)
        alignment = decoder.get_alignment()
    except RuntimeError as error:  # raised by PocketSphinx if no path reaches the end
        raise AlignmentFailed(f"the text cannot be aligned with the recording ({error})") from error
    return [Segment(phone.name, phone.duration, phone.score * NATS) for word in alignment for phone in word]


def _pronunciation(decoder: pocketsphinx.Decoder, word: str) -> Iterable[str]:
    if is_spelled(word):
        return [phone for letter in word if letter != "'" for phone in decoder.lookup_word(letter).split()]
    return pronounce(word)


def _recognise(recording: bytes) -> list[Segment]:
    """Empty if nothing is recognised, e.g. in a recording shorter than a frame."""
    decoder = _recogniser()
    decoder.reinit_feat()
    _decode(decoder, recording)
    return [
        # A likelihood of zero is an underflow, e.g. in digital silence.
        Segment(segment.word, segment.end_frame - segment.start_frame + 1, 1024 * math.log(segment.ascore or 1e-300))
        for segment in decoder.seg() or ()
    ]


def _likelihood(segments: list[Segment]) -> float:
    """Nats per frame."""
    return sum(segment.score for segment in segments) / sum(segment.frames for segment in segments)


def _on_mel_frames(segments: list[Segment], settings: MelSettings, frames: int) -> np.ndarray:
    """(frames,) int64: at the centre of each mel frame, the phone of the PocketSphinx frame whose centre is nearest."""
    if not segments:
        return np.zeros(frames, dtype=np.int64)
    known = {phone: index for index, phone in enumerate(INVENTORY)}
    # The remaining phones are fillers: background and mouth noise.
    ids = [known.get(segment.phone, known[SILENCE]) for segment in segments]
    labels = np.repeat(ids, [segment.frames for segment in segments])
    centres = (np.arange(frames) + 0.5) * settings.hop * RATE / settings.sampling_rate  # samples at 16 kHz
    nearest = np.round((centres - WINDOW / 2) / STEP).astype(int)
    return labels[np.clip(nearest, 0, len(labels) - 1)].astype(np.int64)
