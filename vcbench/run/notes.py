"""Lines for the foot of a run's tables."""

from __future__ import annotations

from collections.abc import Iterator

from vcbench.api.pretrained import read_origin
from vcbench.base.nouns import counted
from vcbench.base.state import read_state
from vcbench.run.config import RunConfig, needed_features, pretrained_rows, system_class
from vcbench.run.folder import Prepared, RunFolder, StoredSplit
from vcbench.speech.vocoders import vocoder_note

RECOGNISED_TEXT = (
    "The texts are a recogniser's: an error rate to the text is one to that recogniser, not to what was said."
)


def notes(config: RunConfig, prepared: Prepared, files: RunFolder) -> Iterator[str]:
    """On the corpus, the vocoder, on pretrained systems, then from what made the run's folder."""
    if config.corpus.recognised_text:
        yield RECOGNISED_TEXT
    for label, (utterances, speakers) in trained_also(prepared.split).items():
        yield f"Trained on {label} as well: {utterances} of {speakers}, who are in no trial."
    if count := _phones_by_a_recogniser(config, prepared):
        yield f"Utterances whose phones are a recogniser's, as their text is missing or does not fit their sound: {count}."
    if "oracle" in config.reference_rows or _mel_systems(config):
        yield vocoder_note(config.vocoder)
    for row in pretrained_rows(config):
        if files.checkpoint(row).is_file():
            origin = read_origin(files.checkpoint(row))
            known = origin.corpus == config.corpus.name or origin.also
            foreign = "" if known else "; it knows no speaker of this corpus"
            yield f"{row}: {origin}{foreign}."
    if files.notes.is_file():
        yield from read_state(files.notes, "`vcbench score` makes it again.")["lines"]


def trained_also(split: StoredSplit) -> dict[str, tuple[str, str]]:
    """Utterances and speakers, counted, of each corpus that is only trained on."""
    own = {one.corpus: [u.speaker for u in split.training if u.corpus == one.corpus] for one in split.training}
    return {
        label: (counted(len(found), "utterance"), counted(len(set(found)), "speaker"))
        for label, found in own.items()
        if label
    }


def _mel_systems(config: RunConfig) -> bool:
    return any(getattr(system_class(row, own), "produces", "") == "mel" for row, own in config.systems.items())


def _phones_by_a_recogniser(config: RunConfig, prepared: Prepared) -> int:
    clean, varied = len(prepared.fallbacks), len(prepared.varied_fallbacks)
    if not clean + varied:
        return 0  # systems need not be loaded, which may be on another machine
    needs, share = needed_features(config)
    return clean + (varied if share else 0) if "phones" in needs else 0
