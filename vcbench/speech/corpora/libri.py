"""Shared code for LibriSpeech and LibriTTS: subset/speaker/chapter folders, and subsets that fix the training speakers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vcbench.speech.corpora.layout import assemble, find_base, folders, read_text, sex_of
from vcbench.speech.utterance import Corpus, Sex, Speaker, Utterance

TRAINING_SUBSETS = ("train-clean-100", "train-clean-360", "train-other-500")
SUBSETS = (*TRAINING_SUBSETS, "dev-clean", "dev-other", "test-clean", "test-other")
ReadChapter = Callable[[Path], list[tuple[str, Path, str | None]]]


def load_subsets(
    name: str,
    root: Path | None,
    inner: str,
    read_chapter: ReadChapter,
    read_sexes: Callable[[Path], dict[str, Sex | None]],
    licence: str,
) -> Corpus:
    """Load every subset in the folder. No speaker is in two subsets.

    If training and other subsets are present, the speakers of the training subsets are seen and the others are unseen;
    if only one kind is present, `split` chooses.

    Args:
        read_chapter: gives (utterance id, file, text) of a chapter's folder, sorted.
        read_sexes: gives the speakers' sexes from the corpus's folder.
    """
    base = find_base(name, root, (inner,), SUBSETS)
    sexes = read_sexes(base)
    present = [subset for subset in SUBSETS if (base / subset).is_dir()]
    decided = 0 < len([subset for subset in present if subset in TRAINING_SUBSETS]) < len(present)
    speakers = []
    for subset in present:
        seen = subset in TRAINING_SUBSETS if decided else None
        for folder in folders(base / subset):
            utterances = tuple(
                Utterance(identity, folder.name, path, text)
                for chapter in folders(folder)
                for identity, path, text in read_chapter(chapter)
            )
            speakers.append(Speaker(folder.name, utterances, sexes.get(folder.name), seen))
    return assemble(name, base, speakers, licence, "<subset>/<speaker>/<chapter>/<utterance>")


def sexes_between_bars(path: Path) -> dict[str, Sex | None]:
    """From lines such as ``14   | F | train-clean-360  | 25.03 | Kristin LeMoine``; a semicolon begins a comment."""
    if not path.is_file():
        return {}
    rows = [line.split("|") for line in read_text(path).splitlines() if not line.startswith(";")]
    return {row[0].strip(): sex_of(row[1]) for row in rows if len(row) > 1}
