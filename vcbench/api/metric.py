"""What a metric is: it reads converted speech and returns scores, each a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from vcbench.api.conversion import Conversion
from vcbench.api.scores import Column, Measurement, Score

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from vcbench.api.system import NeuralSystem, VoiceConverter
    from vcbench.speech.corpora.split import Split
    from vcbench.speech.features.store import FeatureStore


class RunView(Protocol):
    """What a metric may see of a run."""

    @property
    def device(self) -> torch.device: ...
    @property
    def store(self) -> FeatureStore: ...
    @property
    def split(self) -> Split: ...
    @property
    def score_cache(self) -> Path:
        """The folder of the cached scores."""

    @property
    def rows(self) -> list[str]:
        """Rows of the leaderboard: systems, then reference rows."""

    @property
    def systems(self) -> list[str]: ...
    @property
    def conversions(self) -> Sequence[Conversion]: ...
    def load_system(self, row: str) -> VoiceConverter: ...
    def system_key(self, row: str) -> str | None:
        """Hash of a system's weights and of the speech it was and was not trained on; None for one not trained here."""

    def efficiency(self, row: str) -> dict[str, float]:
        """What training and conversion cost."""

    def progress(self, done: int, total: int, note: str = "") -> None: ...


@dataclass(frozen=True)
class Verification:
    """How well a speaker encoder separates the corpus's speakers.

    Attributes:
        same, different: cosines of a recording to the mean of other recordings, of the same and of another speaker.
        error_rate: the equal error rate: the share of `same` refused equals the share of `different` accepted.
        threshold: the cosine at the equal error rate.
    """

    same: tuple[float, ...]
    different: tuple[float, ...]
    error_rate: float
    threshold: float


class Metric:
    """Base of all metrics; built by ``Metric(**options)`` with the run's options for it.

    Most derive from `AudioMetric` or `SystemMetric`, whose scores are cached. One that derives from this class alone
    writes `evaluate` and is evaluated whenever the run changes.

    Attributes:
        name: of the metric, unique among those of a run.
        columns: what it fills, by key.
        summary: a sentence for the list of metrics.
        version: raise it when the code's results change.
        needs_recordings: whether it scores recordings; if no metric of a study does, nothing is converted.
        speaker_encoder: name of the pretrained speaker encoder that it scores with; a system that is conditioned on the
            same encoder (`SystemConfig.speaker_encoder`) gets no score, for it would be scored by what it was given.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, Column]]
    summary: ClassVar[str] = ""
    version: ClassVar[int] = 1
    needs_recordings: ClassVar[bool] = True
    speaker_encoder: ClassVar[str | None] = None

    def check(self) -> None:
        """Raise ModelUnavailable if its model is not on this machine."""

    def settings(self) -> dict[str, Any]:
        """The model, its revision and everything else that changes a value; printed below the table."""
        return {}

    def remarks(self, scores: pd.DataFrame) -> list[tuple[tuple[str, ...], str]]:
        """Footnotes that the scores (columns of `Score`) call for: pairs of columns and a sentence."""
        return []

    def verification(self, run: RunView) -> Verification | None:
        """How well its speaker encoder separates the corpus's speakers, if it has one; the report plots it."""
        return None

    def evaluate(self, run: RunView) -> list[Score]:
        """Scores of a run, for a metric that is neither an AudioMetric nor a SystemMetric."""
        raise NotImplementedError(
            f"{type(self).__name__} must derive from AudioMetric or SystemMetric, or write evaluate()."
        )


class AudioMetric(Metric):
    """Base of the metrics that score one recording at a time: the harness caches each recording's scores.

    A subclass sets `name`, `columns` and `version`, and writes `settings`, `check`, `load` and `measure`. What the cache
    already holds is not measured again.

    `reads` names what `measure` reads of a Conversion in addition to the recording: the cache's key covers it. A metric
    that reads less is evaluated less often.
    """

    reads: ClassVar[tuple[str, ...]] = ("text", "spoken", "source", "target", "enrolment", "others", "reference")

    def load(self, device: torch.device) -> None:
        """Load the model; called once, only when something is left to score."""

    def unload(self) -> None:
        """Release the model: one model is resident at a time."""

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        """Per conversion, its measurements. Other recordings in the batch change no more than rounding does."""
        raise NotImplementedError

    def finish(self, scores: list[Score], run: RunView) -> list[Score]:
        """Scores of the whole run, from those of its recordings; e.g. with further columns that depend on all of them."""
        return scores


class SystemMetric(Metric):
    """Base of the metrics that look into a trained system instead of its recordings: cached by its weights.

    A subclass sets `name`, `columns` and `version`, and writes `settings` and `measure`. What the run's cache already
    holds is not measured again. A system that is not trained here has no row.
    """

    needs_recordings = False

    def measure(self, system: NeuralSystem, row: str, run: RunView) -> list[Score]:
        """Scores of the leaderboard's row `row`; what decides them is the system's weights and the run's split."""
        raise NotImplementedError
