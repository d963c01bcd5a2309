"""Hear every voice say a few sentences, and measure it: ``screening.tsv`` and ``screening.npz``."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vcbench.base.files import whole_file
from vcbench.speech.corpora.mini.make.fetch import voices_folder
from vcbench.speech.corpora.mini.make.measure import Vectors, embed, errors, mean_direction, naturalness
from vcbench.speech.corpora.mini.make.pool import read_pool
from vcbench.speech.corpora.mini.make.speak import say_all

SENTENCES = 5
LEVEL = -24.0  # dB
TWICE = {"pm_santa", "pm_alex", "pf_dora"}  # the same voices as em_santa, em_alex and ef_dora
OTHER_PHONEMES = ("j", "z")  # Japanese and Chinese voices: their English is hard to understand


@dataclass(frozen=True)
class Screened:
    """What a voice of Kokoro is like.

    Attributes:
        wer: words wrong among those of the sentences.
        distillmos: mean over the sentences.
        centre: mean direction of the GE2E embeddings.
    """

    voice: str
    wer: float
    distillmos: float
    centre: Vectors

    @property
    def sex(self) -> str:
        return self.voice[1].upper()


def candidates(synthesiser: Path) -> list[str]:
    names = sorted(file.stem for file in voices_folder(synthesiser).glob("*.bin"))
    return [name for name in names if name not in TWICE and not name.startswith(OTHER_PHONEMES)]


def screen(synthesiser: Path, work: Path, processes: int, report: Callable[[int, int], None]) -> None:
    texts = [text for _, text in read_pool().parallel[:SENTENCES]]
    files = {
        voice: [work / "screening" / voice / f"{n}.flac" for n in range(SENTENCES)] for voice in candidates(synthesiser)
    }
    lines = [(own[n], texts[n], {voice: 1.0}, 1.0, LEVEL) for n in range(SENTENCES) for voice, own in files.items()]
    say_all(synthesiser, lines, processes, report)
    found = []
    for count, (voice, own) in enumerate(files.items(), 1):
        wrong, words = errors(own, texts).sum(axis=0)
        opinion = float(np.mean([naturalness(file) for file in own]))
        found.append(Screened(voice, float(wrong / words), opinion, mean_direction([embed(file) for file in own])))
        report(count, len(files))
    _write(work, found)


def _write(work: Path, found: list[Screened]) -> None:
    with whole_file(work / "screening.npz") as path, path.open("wb") as file:
        np.savez(file, **{one.voice: one.centre for one in found})  # type: ignore[arg-type]
    with whole_file(work / "screening.tsv") as path, path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(["voice", "wer", "distillmos"])
        table.writerows([one.voice, f"{one.wer:.4f}", f"{one.distillmos:.3f}"] for one in found)


def read_screening(work: Path) -> list[Screened]:
    centres = np.load(work / "screening.npz")
    with (work / "screening.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Screened(row["voice"], float(row["wer"]), float(row["distillmos"]), centres[row["voice"]]) for row in rows]
