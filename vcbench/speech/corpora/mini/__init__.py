"""The embedded corpus `mini`: sixteen synthetic speakers who read the same forty-eight sentences, 36 minutes in all.

The speakers are four voices of the synthesiser flite, each resynthesised by WORLD with four pairs of F0 ratio and
formant ratio (`speakers.tsv`); `make` made the audio. The pairs were chosen so that GE2E tells the four speakers of a
voice apart. A speaker counts as female where the median F0 is above 160 Hz and the formants are at or above those of
flite's female voice slt or at least 1.08 times those of a male one. The four speakers of rms are unseen: a voice of the
same kind as two of the seen ones, so that what is new to a system is the voice and not the synthesiser.

The sentences (`sentences.tsv`) are clauses of a book in the public domain, word for word, with quotation marks and
italics left out. They were picked among a hundred for being read without ambiguity by the four voices of flite, so
their word error rate is lower than that of any text. Ten are held out from training for every speaker.

The recordings are sampled at 16 kHz: they hold nothing above 8 kHz.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from vcbench.speech.utterance import Corpus, CorpusError, Sex, Speaker, Utterance

HERE = Path(__file__).parent

LICENCE = (
    "Synthetic voices. Text: Lewis Carroll, Alice's Adventures in Wonderland (1865), public domain. "
    "Speech: made with flite, copyright Carnegie Mellon University, free to use, change and distribute with its notice "
    "(a BSD-like licence); its voices awb, rms and slt are built from the CMU ARCTIC recordings, "
    "kal16 from the CMU diphone voice kal."
)


@dataclass(frozen=True)
class Sentence:
    """A row of `sentences.tsv`."""

    id: str
    held_out: bool
    text: str
    source: str


@dataclass(frozen=True)
class Voice:
    """A row of `speakers.tsv`: a voice of flite, and what its F0 and the axis of its formants are multiplied by."""

    id: str
    base: str
    f0_ratio: float
    formant_ratio: float
    sex: Sex
    seen: bool


def _rows(table: str) -> list[dict[str, str]]:
    with (HERE / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _flag(value: str) -> bool:
    return {"yes": True, "no": False}[value]


def read_sentences() -> list[Sentence]:
    return [Sentence(row["id"], _flag(row["held_out"]), row["text"], row["source"]) for row in _rows("sentences.tsv")]


def read_voices() -> list[Voice]:
    return [
        Voice(
            id=row["id"],
            base=row["base"],
            f0_ratio=float(row["f0_ratio"]),
            formant_ratio=float(row["formant_ratio"]),
            sex=cast(Sex, row["sex"]),
            seen=_flag(row["seen"]),
        )
        for row in _rows("speakers.tsv")
    ]


def audio_path(folder: Path, voice: Voice, sentence: Sentence) -> Path:
    return folder / voice.id / f"{sentence.id}.ogg"


def load(root: Path | None = None) -> Corpus:
    """The corpus; `root` is a folder that `make` wrote, by default the one in this package.

    Raises:
        CorpusError: a recording is missing.
    """
    root = root or HERE / "audio"
    sentences = read_sentences()
    speakers = tuple(
        Speaker(voice.id, tuple(_utterance(root, voice, sentence) for sentence in sentences), voice.sex, voice.seen)
        for voice in read_voices()
    )
    return Corpus("mini", root, speakers, LICENCE, synthetic=True)


def _utterance(root: Path, voice: Voice, sentence: Sentence) -> Utterance:
    path = audio_path(root, voice, sentence)
    if not path.is_file():
        raise CorpusError(
            f"The corpus mini lacks {path}. Make its audio with: python -m vcbench.speech.corpora.mini.make --out {root}"
        )
    return Utterance(f"{voice.id}_{sentence.id}", voice.id, path, text=sentence.text, held_out=sentence.held_out)
