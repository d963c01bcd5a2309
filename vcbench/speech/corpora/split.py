"""Split a corpus into training, held-out and unseen utterances, drawn by seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pydantic import Field

from vcbench.base.nouns import counted
from vcbench.base.settings import Strict
from vcbench.speech.audio import AudioError
from vcbench.speech.corpora.seeded import (
    LARGEST_SHARE_HELD_OUT,
    LEAST_HELD_OUT,
    SeededOrder,
    sentence_of,
    sentences_held_out,
    wanted_held_out,
)
from vcbench.speech.corpora.segments import TooLittleSpeech, cut_evenly, cut_off_end
from vcbench.speech.utterance import Corpus, CorpusError, Speaker, Utterance

ENOUGH = 4  # recordings; those of a speaker with fewer are cut


class SplitSettings(Strict):
    """How to split a corpus where it does not fix the split itself.

    Attributes:
        unseen_speakers: speakers kept out of training; at most half of those that the corpus does not assign, and at
            least two speakers remain for training.
        held_out_utterances: per seen speaker; at most `LARGEST_SHARE_HELD_OUT` of the speaker's recordings.
        training_speakers: maximum; ``None`` takes all.
        training_utterances: maximum per seen speaker; ``None`` takes all.
        unseen_utterances: maximum per unseen speaker; sentences without training utterances come first.
        minimum_seconds: shortest segment into which a recording is cut, also for training.
        segment_seconds: length of held-out and unseen segments where there is enough speech.
    """

    unseen_speakers: int = Field(4, ge=0)
    held_out_utterances: int = Field(8, ge=LEAST_HELD_OUT)
    training_speakers: int | None = Field(None, ge=1)
    training_utterances: int | None = Field(None, ge=1)
    unseen_utterances: int | None = Field(None, ge=LEAST_HELD_OUT)
    minimum_seconds: float = Field(1.5, ge=0.5, le=10)
    segment_seconds: float = Field(5.0, ge=1.5, le=30)


@dataclass(frozen=True)
class Split:
    """A corpus by role.

    `Utterance.held_out` is set: False for training utterances; for an unseen speaker, whether no training utterance has
    the same sentence. `Speaker.seen` is set, and `Speaker.utterances` are those of the split.

    Attributes:
        training, held_out: of seen speakers; held-out utterances are never trained on, nor (where possible) their sentences.
        unseen: of speakers who are never trained on.
        speakers: by id.
        rejected: (speaker id, reason) of speakers with too little speech.
    """

    training: tuple[Utterance, ...]
    held_out: tuple[Utterance, ...]
    unseen: tuple[Utterance, ...]
    speakers: dict[str, Speaker]
    rejected: tuple[tuple[str, str], ...] = ()


def split(corpus: Corpus, settings: SplitSettings, seed: int) -> Split:
    """Split a corpus; the same arguments give the same split. Assignments that the corpus makes are kept.

    Speakers are balanced by sex where it is known. The recordings of a speaker with fewer than `ENOUGH` are read and cut
    into segments that do not overlap.

    Raises:
        CorpusError: fewer than two speakers, or none left to train on.
    """
    if len(corpus.speakers) < 2:
        raise CorpusError(
            f"{corpus.name} at {corpus.root} has {len(corpus.speakers)} usable speaker(s); voice conversion needs two or more."
        )
    draw = SeededOrder(seed)
    rejected: list[tuple[str, str]] = []
    unseen = _unseen_speakers(corpus.speakers, settings, draw, rejected)
    candidates = [s for s in corpus.speakers if s.seen is not False and s.id not in unseen]
    seen = _seen_speakers(candidates, settings, draw, rejected)
    sentences = sentences_held_out(seen.values(), unseen.values(), settings.held_out_utterances, draw)
    training, held_out = [], []
    for identity, utterances in sorted(seen.items()):
        mine, kept_out = _divide(utterances, sentences, settings, draw)
        if not mine or len(kept_out) < LEAST_HELD_OUT:
            reason = f"{len(mine)} training and {counted(len(kept_out), 'held-out recording')}; 1 and {LEAST_HELD_OUT} are needed."
            rejected.append((identity, reason))
            continue
        training += mine
        held_out += kept_out
    if not training:
        reasons = "".join(f"\n  {speaker}: {reason}" for speaker, reason in rejected[:5])
        raise CorpusError(
            f"{corpus.name} at {corpus.root} has no speaker left to train on.{reasons or ' All speakers are unseen.'}"
        )
    strangers = _strangers(unseen, training, settings, draw)
    return _collect(corpus, training, held_out, strangers, rejected)


def _strangers(
    unseen: Mapping[str, Sequence[Utterance]], training: Sequence[Utterance], settings: SplitSettings, draw: SeededOrder
) -> list[Utterance]:
    """Utterances of the unseen speakers; those whose sentence was not trained on come first."""
    trained = {sentence_of(u) for u in training}
    strangers: list[Utterance] = []
    for _, utterances in sorted(unseen.items()):
        own = [replace(u, held_out=sentence_of(u) not in trained) for u in utterances]
        drawn = sorted(own, key=lambda u: (not u.held_out, draw.key(u.id)))[: settings.unseen_utterances]
        strangers += sorted(drawn, key=lambda u: u.id)
    return strangers


def _unseen_speakers(
    speakers: Sequence[Speaker], settings: SplitSettings, draw: SeededOrder, rejected: list[tuple[str, str]]
) -> dict[str, list[Utterance]]:
    """First those that the corpus marks as unseen, then some of those that it does not assign."""
    left_open = [speaker for speaker in speakers if speaker.seen is None]
    trainable = len([speaker for speaker in speakers if speaker.seen is not False])
    at_most = min(len(left_open) // 2, max(0, trainable - 2))
    order = [*draw.speakers(s for s in speakers if s.seen is False), *draw.speakers(left_open)]
    chosen: dict[str, list[Utterance]] = {}
    drawn = 0
    for speaker, pieces in _with_pieces(order, _cut_all, settings):
        if len(chosen) == settings.unseen_speakers or (speaker.seen is None and drawn == at_most):
            break
        if isinstance(pieces, Exception):
            rejected.append((speaker.id, str(pieces)))
        else:
            chosen[speaker.id] = pieces
            drawn += speaker.seen is None
    return chosen


def _seen_speakers(
    speakers: Sequence[Speaker], settings: SplitSettings, draw: SeededOrder, rejected: list[tuple[str, str]]
) -> dict[str, list[Utterance]]:
    already = {identity for identity, _ in rejected}
    order = draw.speakers(s for s in speakers if s.id not in already)
    chosen: dict[str, list[Utterance]] = {}
    for speaker, pieces in _with_pieces(order, _cut_for_training, settings):
        if len(chosen) == settings.training_speakers:
            break
        if isinstance(pieces, Exception):
            rejected.append((speaker.id, str(pieces)))
        else:
            chosen[speaker.id] = pieces
    return chosen


Pieces = list[Utterance] | AudioError | TooLittleSpeech


def _with_pieces(
    speakers: Sequence[Speaker], cut: Callable[[Speaker, SplitSettings], list[Utterance]], settings: SplitSettings
) -> Iterator[tuple[Speaker, Pieces]]:
    """Each speaker with their recordings, cut if there are too few, or with the error if that is impossible."""

    def pieces(speaker: Speaker) -> Pieces:
        try:
            return list(speaker.utterances) if len(speaker.utterances) >= ENOUGH else cut(speaker, settings)
        except (AudioError, TooLittleSpeech) as error:
            return error

    pool = ThreadPoolExecutor()  # threads suffice: decoding releases the interpreter lock
    try:
        yield from zip(speakers, pool.map(pieces, speakers), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


def _cut_all(speaker: Speaker, settings: SplitSettings) -> list[Utterance]:
    """Cut an unseen speaker's recordings into at least `ENOUGH` segments."""
    each = -(-ENOUGH // len(speaker.utterances))
    lengths = settings.minimum_seconds, settings.segment_seconds
    return [piece for utterance in speaker.utterances for piece in cut_evenly(utterance, each, *lengths)]


def _cut_for_training(speaker: Speaker, settings: SplitSettings) -> list[Utterance]:
    """Cut each recording: the larger first part is for training, the segments of the rest are held out."""
    each = -(-LEAST_HELD_OUT // len(speaker.utterances))
    most = max(each, settings.held_out_utterances // len(speaker.utterances))
    pieces = []
    for utterance in speaker.utterances:
        if utterance.held_out is not None:
            raise TooLittleSpeech(
                f"{counted(len(speaker.utterances), 'recording')} with roles fixed by the corpus; {ENOUGH} are needed."
            )
        first, *rest = cut_off_end(
            utterance, LARGEST_SHARE_HELD_OUT, each, most, settings.minimum_seconds, settings.segment_seconds
        )
        pieces += [replace(first, held_out=False), *(replace(piece, held_out=True) for piece in rest)]
    return pieces


def _divide(
    utterances: list[Utterance], sentences: set[str], settings: SplitSettings, draw: SeededOrder
) -> tuple[list[Utterance], list[Utterance]]:
    """One seen speaker's training and held-out utterances."""
    drawn = sorted(utterances, key=lambda u: draw.key(u.id))
    kept_out = [u for u in drawn if u.held_out or (u.held_out is None and sentence_of(u) in sentences)]
    if len(kept_out) == len(drawn):  # all of this speaker's sentences are held out for others: train on some of them
        kept_out = kept_out[: wanted_held_out(len(utterances), settings.held_out_utterances)]
    away = {u.id for u in kept_out}
    training = [u for u in drawn if u.id not in away and not u.held_out]
    training = training[: settings.training_utterances]
    return (
        [replace(u, held_out=False) for u in sorted(training, key=lambda u: u.id)],
        [replace(u, held_out=True) for u in sorted(kept_out, key=lambda u: u.id)],
    )


def _collect(
    corpus: Corpus,
    training: list[Utterance],
    held_out: list[Utterance],
    unseen: list[Utterance],
    rejected: list[tuple[str, str]],
) -> Split:
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in [*training, *held_out, *unseen]:
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    strangers = {u.speaker for u in unseen}
    speakers = {
        s.id: Speaker(s.id, tuple(by_speaker[s.id]), s.sex, s.id not in strangers)
        for s in corpus.speakers
        if s.id in by_speaker
    }
    return Split(tuple(training), tuple(held_out), tuple(unseen), speakers, tuple(rejected))
