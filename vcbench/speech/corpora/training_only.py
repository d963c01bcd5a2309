"""Corpora that a run only trains on, beside its own: their speakers are in no trial and no score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vcbench.base.settings import Strict
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.layout import identifier
from vcbench.speech.utterance import Corpus, CorpusError, Speaker


class TrainingCorpus(Strict):
    """A corpus by name, and where it lies."""

    name: str
    root: Path | None = None


def load_training_only(settings: Sequence[TrainingCorpus], beside: Corpus) -> dict[str, Corpus]:
    """What the corpora do not keep from training, by name, which is also in front of the ids: ``NAME/SPEAKER``.

    Args:
        beside: the run's own corpus, which cannot be one of them.

    Raises:
        CorpusError: one is missing, two have one name, or one has nothing to train on.
    """
    own = identifier(beside.own_name)
    found: dict[str, Corpus] = {}
    for one in settings:
        corpus = load_corpus(one.name, one.root)
        name = identifier(corpus.own_name)
        if name in (own, *found):
            raise CorpusError(
                f"Two corpora have the name {name!r}: each must be named once, and the run's own corpus is not a further one to "
                "train on. If they are two, rename one's folder."
            )
        speakers = [_renamed(speaker, name) for speaker in corpus.speakers if speaker.seen is not False]
        found[name] = replace(corpus, speakers=tuple(speaker for speaker in speakers if speaker.utterances))
        if not found[name].speakers:
            raise CorpusError(f"{name} has no speaker to train on: the corpus keeps all of them from training.")
    return found


def _renamed(speaker: Speaker, corpus: str) -> Speaker:
    identity = f"{corpus}/{speaker.id}"
    utterances = tuple(
        replace(utterance, id=f"{corpus}/{utterance.id}", speaker=identity, held_out=False)
        for utterance in speaker.utterances
        if not utterance.held_out
    )
    return replace(speaker, id=identity, utterances=utterances, seen=True)
