"""Any recordings: ``<root>/<speaker>/*.{wav,flac,ogg,mp3,opus}``.

Texts are next to each recording (``.txt``) or in ``<root>/transcripts.tsv`` (columns utterance, text), sexes in
``<root>/speakers.tsv`` (columns speaker, sex), the licence in ``<root>/LICENSE.TXT``; all three are optional. With
``train/`` and ``eval/`` below the root the speakers are one level deeper: those under ``train/`` are trained on, those
under ``eval/`` are unseen. An utterance's id is ``<speaker>/<name of the file without suffix>``; a row of transcripts.tsv
may omit the speaker if only one file has that name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from vcbench.base.nouns import counted
from vcbench.speech.audio import SUFFIXES
from vcbench.speech.corpora.layout import (
    assemble,
    files,
    find_base,
    folders,
    identifier,
    read_table,
    read_text,
    sentence,
    sentence_beside,
    sex_of,
)
from vcbench.speech.utterance import Corpus, CorpusError, Sex, Speaker, Utterance

OTHER_AUDIO = (".aac", ".m4a", ".wma")  # listed, so that the check can say why it rejects them
GROUPS = {"train": True, "eval": False}


def load(root: Path | None) -> Corpus:
    """Load every speaker whose folder has at least one recording."""
    base = find_base("folder", root, (), ("*",))
    grouped = {name: folders(base / name) for name in GROUPS if folders(base / name)}
    strangers = [path.name for path in folders(base) if path.name not in GROUPS]
    if grouped and strangers:
        raise CorpusError(
            f"{base} has train/ or eval/ with speakers in it, and also {', '.join(strangers[:5])}. Move these folders."
        )
    sexes = _sexes(base / "speakers.tsv")
    found: list[tuple[Path, bool | None]] = [(path, GROUPS[name]) for name, paths in grouped.items() for path in paths]
    speakers = [_speaker(path, seen, sexes) for path, seen in found or ((path, None) for path in folders(base))]
    speakers = _with_table(speakers, base / "transcripts.tsv")
    return assemble("folder", base, speakers, _licence(base), f"<speaker>/* with {', '.join(SUFFIXES)}")


def _speaker(folder: Path, seen: bool | None, sexes: dict[str, Sex | None]) -> Speaker:
    speaker = identifier(folder.name)
    utterances = tuple(
        Utterance(f"{speaker}/{identifier(path.stem)}", speaker, path, sentence_beside(path.with_suffix(".txt")))
        for path in files(folder, SUFFIXES + OTHER_AUDIO)
    )
    return Speaker(speaker, utterances, sexes.get(folder.name), seen)


def _with_table(speakers: list[Speaker], path: Path) -> list[Speaker]:
    """The speakers, with texts from the table where a recording has no text file."""
    if not path.is_file():
        return speakers
    texts = {identifier(key): sentence(text) for key, text in read_table(path, ("utterance", "text"))}
    stems = Counter(identifier(u.path.stem) for speaker in speakers for u in speaker.utterances)
    several = [stem for stem in texts if stems[stem] > 1]
    if several:
        raise CorpusError(
            f"{path}: {several[0]!r} is the name of {counted(stems[several[0]], 'recording')}. Write "
            f"<speaker>/{several[0]} in its rows."
        )
    return [
        replace(
            speaker,
            utterances=tuple(
                replace(u, text=u.text or texts.get(u.id) or texts.get(identifier(u.path.stem)))
                for u in speaker.utterances
            ),
        )
        for speaker in speakers
    ]


def _sexes(path: Path) -> dict[str, Sex | None]:
    return {name: sex_of(sex) for name, sex in read_table(path, ("speaker", "sex"))} if path.is_file() else {}


def _licence(base: Path) -> str:
    for name in ("LICENSE.TXT", "LICENSE.txt", "LICENSE", "LICENSE.md"):
        if (base / name).is_file():
            return (sentence(read_text(base / name)) or "")[:300]
    return "Licence unknown: write it to LICENSE.TXT in the corpus's folder."
