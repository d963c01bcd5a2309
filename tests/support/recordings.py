"""Helpers for tests of metrics: a run with recordings, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vcbench.api.conversion import Conversion
from vcbench.base.files import hash_file
from vcbench.speech import audio
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Speaker, Utterance


def conversion(
    folder: Path,
    wave: np.ndarray,
    source: Utterance,
    target: Speaker,
    system: str = "system",
    trial: str = "t0000",
    spoken: Utterance | None = None,
) -> Conversion:
    """A recording `wave` at the source's rate as the conversion of `source` to `target`: its first utterance is the
    reference, the next three are the enrolment."""
    path = folder / system / f"{trial}.flac"
    audio.write(path, np.asarray(wave, dtype=np.float32), source.sampling_rate)
    return Conversion(
        system=system,
        trial=trial,
        condition="seen->seen",
        path=path,
        audio_hash=hash_file(path),
        source=source,
        spoken=spoken or source,
        target=Speaker(target.id, target.utterances[:1], target.sex),
        enrolment=target.utterances[1:4],
    )


@dataclass
class FakeRun:
    """The part of `vcbench.run.run.Run` that metrics read."""

    score_cache: Path
    conversions: Sequence[Conversion] = ()
    split: Any = None
    store: FeatureStore | None = None
    loaded: dict[str, Any] = field(default_factory=dict)
    system_keys: dict[str, str] = field(default_factory=dict)
    efficiencies: dict[str, dict[str, float]] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    calls: list[tuple[int, int]] = field(default_factory=list)

    @property
    def systems(self) -> list[str]:
        return list(self.loaded)

    @property
    def rows(self) -> list[str]:
        return list(self.efficiencies)

    def system_key(self, row: str) -> str | None:
        return self.system_keys.get(row)

    def load_system(self, row: str) -> Any:
        return self.loaded[row]

    def efficiency(self, row: str) -> dict[str, float]:
        return self.efficiencies[row]

    def progress(self, done: int, total: int, note: str = "") -> None:
        self.calls.append((done, total))
