"""Render every clip of a test: equally loud, and equally long on a page."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import signal

from vcbench.listening.design.anchors import anchor
from vcbench.listening.design.clips import faded, level, padded, read_clip
from vcbench.listening.design.design import ANCHOR_35, ANCHOR_70, HIDDEN, NOISE, SOURCE, TARGET, Design
from vcbench.listening.design.selection import by_row

if TYPE_CHECKING:
    from vcbench.run.run import Run

PASS_BANDS = {ANCHOR_35: 3500.0, ANCHOR_70: 7000.0}  # Hz
REFERENCE, VOLUME = "reference", "volume"  # roles of clips that nobody rates
ENVELOPE = 30.0  # Hz; NOISE keeps the loudness contour of speech and nothing else


class Place(NamedTuple):
    """Which clip: the index of its page (-1: none), its role there, and its trial."""

    page: int
    role: str
    trial: str

    def __str__(self) -> str:
        return f"{self.role} in trial {self.trial or '(none)'}"


OPENING = Place(-1, VOLUME, "")


def render(run: Run, design: Design, rate: int) -> tuple[dict[Place, np.ndarray], float]:
    """(samples,) float32 at `rate` for every place, and the common loudness in LUFS."""
    source = _Source(run, rate)
    waves = {OPENING: source.utterance(design.volume)}
    for index, page in enumerate(design.pages):
        for role in page.roles:
            waves[Place(index, role, page.trial)] = source.clip(role, page.trial, page.reference)
        if page.reference is not None:
            waves[Place(index, REFERENCE, page.trial)] = source.utterance(page.reference)
        if page.repeated is not None:
            waves[Place(index, REFERENCE, page.trial)] = waves[Place(index, page.repeated, page.trial)].copy()
    longest: dict[int, int] = {}
    for place, wave in waves.items():
        longest[place.page] = max(longest.get(place.page, 0), len(wave))
    return level({place: padded(wave, longest[place.page]) for place, wave in waves.items()}, rate)


class _Source:
    """Reads clips from the run's conversions and utterances, and from the prompts that vcbench ships."""

    def __init__(self, run: Run, rate: int) -> None:
        self._run = run
        self._rate = rate
        self._converted = by_row(run.conversions)
        self._trials = {trial.trial: trial for trial in run.trials.itertuples()}

    def utterance(self, identity: str) -> np.ndarray:
        recording = self._run.utterance(identity)
        return read_clip(recording.path, self._rate, recording.span)

    def clip(self, role: str, trial: str, reference: str | None) -> np.ndarray:
        if role.startswith("trap:"):
            with as_file(files("vcbench.listening") / "traps" / f"{role.split(':')[2]}.ogg") as path:
                return read_clip(path, self._rate)
        if reference is not None and role in (HIDDEN, *PASS_BANDS):
            wave = self.utterance(reference)
            return wave if role == HIDDEN else faded(anchor(wave, PASS_BANDS[role], self._rate), self._rate)
        if role == SOURCE:
            return self.utterance(self._trials[trial].source)
        if role in (TARGET, NOISE):
            wave = self.utterance(self._trials[trial].target_utterance)
            return wave if role == TARGET else faded(noise_like(wave, self._rate), self._rate)
        return read_clip(self._converted[role][trial].path, self._rate)


def noise_like(wave: np.ndarray, rate: int) -> np.ndarray:
    """(samples,): white noise with the envelope of `wave`, which nobody mistakes for a natural voice."""
    filters = signal.butter(2, ENVELOPE, fs=rate, output="sos")
    envelope = np.maximum(signal.sosfiltfilt(filters, np.abs(wave.astype(np.float64))), 0)
    return (envelope * np.random.default_rng(0).standard_normal(len(wave))).astype(np.float32)
