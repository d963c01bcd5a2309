"""Speakers and sentences drawn by seed.

The order comes from a hash of seed and id instead of a shuffled list, so removing a recording or a speaker does not change
the order of the others.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

from vcbench.speech.utterance import Speaker, Utterance

LEAST_HELD_OUT = 3  # segments of a seen speaker: a source, a recording to compare with, an enrolment
LARGEST_SHARE_HELD_OUT = 0.4  # of a seen speaker's recordings, if that is LEAST_HELD_OUT or more


class SeededOrder:
    """A seeded order that does not depend on the other items."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def key(self, identity: str) -> bytes:
        return hashlib.sha256(f"{self._seed} {identity}".encode()).digest()

    def speakers(self, speakers: Iterable[Speaker]) -> list[Speaker]:
        """Alternate the sexes, each in drawn order."""
        drawn = sorted(speakers, key=lambda speaker: self.key(speaker.id))
        by_sex = [[s for s in drawn if s.sex == sex] for sex in ("F", "M", None)]
        return [s for s in chain.from_iterable(zip_longest(*by_sex)) if s is not None]


def sentence_of(utterance: Utterance) -> str:
    """A key for the sentence: the words without case and punctuation; without text, the id."""
    words = re.findall(r"[^\W_]+", (utterance.text or "").casefold())
    return " ".join(words) or f"@{utterance.id}"


def wanted_held_out(count: int, asked: int) -> int:
    """How many of a speaker's `count` recordings to hold out, at most `asked`."""
    return min(asked, max(LEAST_HELD_OUT, int(LARGEST_SHARE_HELD_OUT * count)))


def sentences_held_out(
    seen: Iterable[Sequence[Utterance]], unseen: Iterable[Sequence[Utterance]], asked: int, draw: SeededOrder
) -> set[str]:
    """Sentences to keep out of training for all speakers, chosen until each seen speaker has enough of them.

    Sentences that most speakers say come first: in a parallel corpus one set of sentences serves all speakers.

    Args:
        seen, unseen: each speaker's utterances.
        asked: held-out recordings per seen speaker.
    """
    seen = list(seen)
    fixed = {sentence_of(u) for utterances in seen for u in utterances if u.held_out}
    said = [{sentence_of(u) for u in utterances} for utterances in seen]
    free = [{sentence_of(u) for u in utterances if u.held_out is None} - fixed for utterances in seen]
    lacking = [wanted_held_out(len(u), asked) - len(s & fixed) for u, s in zip(seen, said, strict=True)]
    said_by = Counter(chain(*said, *({sentence_of(u) for u in utterances} for utterances in unseen)))
    sayers: dict[str, list[int]] = {}
    for index, sentences in enumerate(free):
        for sentence in sentences:
            sayers.setdefault(sentence, []).append(index)
    chosen = set(fixed)
    for sentence in sorted(sayers, key=lambda s: (-said_by[s], draw.key(s))):
        if any(lacking[index] > 0 for index in sayers[sentence]):
            chosen.add(sentence)
            for index in sayers[sentence]:
                lacking[index] -= 1
    return chosen
