"""What is measured of a speaker's recordings, and of some of them before they were coded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcbench.base.files import whole_file
from vcbench.speech.corpora.mini import Saying, read_sentences
from vcbench.speech.corpora.mini.make.measure import Vectors, embed, errors, mean_direction, naturalness
from vcbench.speech.corpora.mini.make.speak import MASTER

SAMPLE = 6  # utterances of a speaker, for what is measured of masters too
Numbers = NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """A speaker's recordings.

    Attributes:
        vectors: (utterances, 256) GE2E embeddings.
        words: (utterances, 2) wrong words and words.
        opinions: (sample,) DistillMOS.
        master_vectors, master_words, master_opinions: the same of the sample's masters.
        sample: (sample,) rows of the utterances that are measured before and after coding.
    """

    vectors: Numbers
    words: Numbers
    opinions: Numbers
    master_vectors: Numbers
    master_words: Numbers
    master_opinions: Numbers
    sample: Numbers

    @property
    def centre(self) -> Vectors:
        return mean_direction(list(self.vectors))

    def write(self, out: Path) -> None:
        with whole_file(out) as path, path.open("wb") as file:
            np.savez(file, **asdict(self))

    @classmethod
    def read(cls, file: Path) -> Measured:
        arrays = np.load(file)
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def measure_speaker(sayings: list[Saying], masters: Path, audio: Path) -> Measured:
    texts = {sentence.id: sentence.text for sentence in read_sentences()}
    said = [texts[saying.sentence] for saying in sayings]
    coded = [saying.file(audio) for saying in sayings]
    rows = [round(row) for row in np.linspace(0, len(sayings) - 1, SAMPLE)]
    before = [sayings[row].file(masters, MASTER) for row in rows]
    return Measured(
        vectors=np.stack([embed(file) for file in coded]),
        words=errors(coded, said),
        opinions=np.array([naturalness(coded[row]) for row in rows]),
        master_vectors=np.stack([embed(file) for file in before]),
        master_words=errors(before, [said[row] for row in rows]),
        master_opinions=np.array([naturalness(file) for file in before]),
        sample=np.array(rows),
    )
