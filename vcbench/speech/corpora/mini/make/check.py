"""Measure masters and corpus; write CHECKS.md beside the audio."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcbench.base.files import whole_file
from vcbench.speech.audio_header import SUFFIXES
from vcbench.speech.corpora.mini import HERE, Saying, read_sayings, read_sentences, read_voices
from vcbench.speech.corpora.mini.make.measure import Vectors, embed, errors, mean_direction, naturalness
from vcbench.speech.corpora.mini.make.speak import MASTER

SAMPLE = 12  # utterances of a speaker, for what is measured of masters too
Numbers = NDArray[Any]


@dataclass(frozen=True)
class Measured:
    """A speaker's recordings; `of_master`, `of_sample` are the same utterances before and after coding.

    Attributes:
        vectors: (utterances, 256) GE2E embeddings.
        words: (utterances, 2) wrong words and words.
        opinions: (sample,) DistillMOS.
    """

    vectors: Numbers
    words: Numbers
    opinions: Numbers
    master_vectors: Numbers
    master_words: Numbers
    master_opinions: Numbers
    sample: Numbers  # rows of the utterances that are measured before and after

    @property
    def centre(self) -> Vectors:
        return mean_direction(list(self.vectors))


def sample(sayings: list[Saying]) -> list[int]:
    """Rows of `SAMPLE` utterances, spread over all."""
    return [round(row) for row in np.linspace(0, len(sayings) - 1, SAMPLE)]


def measure_speaker(sayings: list[Saying], masters: Path, audio: Path) -> Measured:
    texts = {sentence.id: sentence.text for sentence in read_sentences()}
    said = [texts[saying.sentence] for saying in sayings]
    coded = [saying.file(audio) for saying in sayings]
    rows = sample(sayings)
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


def check(masters: Path, real: Path, report: Callable[[int, int], None], audio: Path = HERE / "audio") -> None:
    """Measure every speaker, two at a time, and the speakers of `real` (a folder for each); write `CHECKS.md`."""
    from vcbench.speech.corpora.mini.make.checks_page import page

    speakers = [voice.id for voice in read_voices()]
    work = masters.parent / "checks"
    with ProcessPoolExecutor(2, initializer=_one_thread) as pool:
        jobs = [pool.submit(_keep, speaker, masters, audio, work / f"{speaker}.npz") for speaker in speakers]
        for count, job in enumerate(as_completed(jobs), 1):
            job.result()
            report(count, len(speakers))
        people = pool.submit(_real, real, work / "real.npz").result()
    measured = {speaker: read(work / f"{speaker}.npz") for speaker in speakers}
    with whole_file(HERE / "CHECKS.md") as path:
        path.write_text(page(measured, people, audio), encoding="utf-8")


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _keep(speaker: str, masters: Path, audio: Path, out: Path) -> None:
    if out.is_file():
        return
    measured = measure_speaker([one for one in read_sayings() if one.speaker == speaker], masters, audio)
    with whole_file(out) as path, path.open("wb") as file:
        np.savez(file, **asdict(measured))


def read(file: Path) -> Measured:
    arrays = np.load(file)
    return Measured(**{field.name: arrays[field.name] for field in fields(Measured)})


def _real(folder: Path, out: Path) -> dict[str, Vectors]:
    """Centres of the speakers of `folder`, each of whom has a folder with recordings somewhere in it."""
    if not out.is_file():
        files: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES:
                files.setdefault(path.parent.name, []).append(path)
        centres = {name: mean_direction([embed(path) for path in own]) for name, own in files.items()}
        with whole_file(out) as path, path.open("wb") as file:
            np.savez(file, **centres)  # type: ignore[arg-type]
    return dict(np.load(out).items())
