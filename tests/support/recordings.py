"""Helpers for tests of metrics: a run with recordings, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
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
    others: Sequence[Speaker] = (),
) -> Conversion:
    """A recording `wave` at the source's rate as the conversion of `source` to `target`: its first utterance is the
    reference, the next three are the enrolment, as of the other speakers."""
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
        others=tuple(Speaker(other.id, other.utterances[1:4], other.sex) for other in others),
    )


def parallel_conversions(folder: Path, spoken: Utterance, target: Speaker) -> list[Conversion]:
    """The source and the target's own recording of its words as conversions, and one without such a recording."""
    reference = next(one for one in target.utterances if one.text == spoken.text)
    made = [
        replace(conversion(folder, one.wave.numpy(), spoken, target, system=system), reference=reference)
        for system, one in {"source": spoken, "target": reference}.items()
    ]
    return [*made, conversion(folder, spoken.wave.numpy(), spoken, target, system="no parallel recording")]


@dataclass
class FakeRun:
    """What metrics and listening tests read of a run (`vcbench.api.metric.RunView` and more), without any training."""

    score_cache: Path = Path("no-score-cache")
    conversions: Sequence[Conversion] = ()
    split: Any = None
    store: FeatureStore | None = None
    loaded: dict[str, Any] = field(default_factory=dict)
    system_keys: dict[str, str] = field(default_factory=dict)
    efficiencies: dict[str, dict[str, float]] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    calls: list[tuple[int, int]] = field(default_factory=list)
    folder: Path = Path("no-folder")
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    utterances: dict[str, Utterance] = field(default_factory=dict)
    systems: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    corpus: Any = field(default_factory=lambda: SimpleNamespace(name="mini", title="mini"))

    def __post_init__(self) -> None:
        self.systems = self.systems or list(self.loaded)
        self.rows = self.rows or list(self.efficiencies)

    def utterance(self, identity: str) -> Utterance:
        return self.utterances[identity]

    def system_key(self, row: str) -> str | None:
        return self.system_keys.get(row)

    def load_system(self, row: str) -> Any:
        return self.loaded[row]

    def efficiency(self, row: str) -> dict[str, float]:
        return self.efficiencies[row]

    def progress(self, done: int, total: int, note: str = "") -> None:
        self.calls.append((done, total))
