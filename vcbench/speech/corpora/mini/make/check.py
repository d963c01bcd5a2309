"""Measure masters and corpus; write CHECKS.md beside the audio."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch

from vcbench.base.files import whole_file
from vcbench.speech.audio_header import SUFFIXES
from vcbench.speech.corpora.mini import HERE, read_sayings, read_voices
from vcbench.speech.corpora.mini.make.checks_page import page
from vcbench.speech.corpora.mini.make.measure import Vectors, embed, mean_direction
from vcbench.speech.corpora.mini.make.measured import Measured, measure_speaker


def check(
    masters: Path, real: Path, processes: int, report: Callable[[int, int], None], audio: Path = HERE / "audio"
) -> None:
    """Measure every speaker, and those of `real` (a folder for each of them); write `CHECKS.md`."""
    speakers = [voice.id for voice in read_voices()]
    work = masters.parent / "checks"
    with ProcessPoolExecutor(processes, initializer=_one_thread) as pool:
        people = pool.submit(_real, real, work / "real.npz")
        jobs = [pool.submit(_keep, speaker, masters, audio, work / f"{speaker}.npz") for speaker in speakers]
        for count, job in enumerate(as_completed(jobs), 1):
            job.result()
            report(count, len(speakers))
        measured = {speaker: Measured.read(work / f"{speaker}.npz") for speaker in speakers}
        text = page(measured, people.result(), audio)
    with whole_file(HERE / "CHECKS.md") as path:
        path.write_text(text, encoding="utf-8")


def _one_thread() -> None:
    torch.set_num_threads(1)


def _keep(speaker: str, masters: Path, audio: Path, out: Path) -> None:
    if not out.is_file():
        measure_speaker([one for one in read_sayings() if one.speaker == speaker], masters, audio).write(out)


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
