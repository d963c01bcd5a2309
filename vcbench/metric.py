"""What a metric is: it reads converted speech and returns scores, each a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

    from vcbench.corpora.corpus import Speaker, Utterance
    from vcbench.run import Run
    from vcbench.system import NeuralSystem


class MetricUnavailable(RuntimeError):
    """A metric's model is not on this machine. The message says which, and the command that gets it."""


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard.

    Attributes:
        title: as printed, with its unit.
        higher_is_better: ``None`` where neither direction is better.
        decimals: digits printed after the point.
        percent: whether the value, a fraction, is printed times 100.
        main: whether it stands in the main tables; the others stand in a table of their own, after them.
        exact: a count, the same whenever it is taken: it has no interval because it needs none.
        needs: what a recording must have to get a value, where some may not; said where none has.
    """

    title: str
    higher_is_better: bool | None
    decimals: int = 2
    percent: bool = False
    main: bool = True
    exact: bool = False
    needs: str = ""


@dataclass(frozen=True)
class Score:
    """One measured value. A weighted mean over rows is the column's value.

    Attributes:
        system: the row of the leaderboard it belongs to.
        column: key in the metric's `columns`.
        trial: the trial's id; for what is not measured per trial, the utterance's id or another unit.
        condition: e.g. ``seen->unseen``; for reconstruction ``seen`` or ``unseen``; ``all`` where there is none.
        value: NaN is not allowed: a value that could not be measured is an error, or no row and a failure.
        weight: e.g. the number of reference words, so that the mean of WER is the pooled WER.
        source_speaker, target_speaker: clusters of the bootstrap; empty where there are none.
        detail: what led to the value (a transcript, counts); anything JSON holds.
    """

    system: str
    column: str
    trial: str
    condition: str
    value: float
    weight: float = 1.0
    source_speaker: str = ""
    target_speaker: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """A converted (or reference) recording, ready to be scored.

    Attributes:
        system: the leaderboard's row: a system, or ``source``, ``oracle``, ``target``, ``world``.
        path: the FLAC file at the run's sampling rate.
        audio_hash: SHA-256 of that file.
        source: the trial's source utterance.
        spoken: the utterance whose words are heard: the source, or for ``target`` and ``oracle`` the target's own.
        target: the target speaker with the reference recordings that the system was given.
        enrolment: recordings of the target for speaker similarity; never one that the system was given.
        reference: the target's own recording of the source's words, where the corpus is parallel.
    """

    system: str
    trial: str
    condition: str
    path: Path
    audio_hash: str
    source: Utterance
    spoken: Utterance
    target: Speaker
    enrolment: tuple[Utterance, ...]
    reference: Utterance | None = None


@runtime_checkable
class Metric(Protocol):
    """A metric, built by ``Metric(**options)`` with the run's options for it.

    `columns` are what it fills; `settings()` names model, revision and all that changes a value, and stands in the
    table's foot; `check()` raises MetricUnavailable where its model is not here. `evaluate` loads the
    model, scores, and lets the model go. One that reads no recordings may say ``hears = False``: then nothing is
    converted for it alone. One may have ``remarks(scores)``: pairs of columns and a sentence that their scores give the
    table's foot.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, Column]]

    def check(self) -> None: ...
    def settings(self) -> dict[str, Any]: ...
    def evaluate(self, run: Run) -> list[Score]: ...


class AudioMetric:
    """Base of the metrics that score one recording at a time: the harness caches each recording's scores.

    A subclass sets `name`, `columns` and `version` (raise it when the code's results change), and writes
    `settings`, `check`, `load` and `measure`. `evaluate` skips what the run's cache already holds.

    `reads` names what of a Conversion `measure` reads beside the recording itself: the cache's key covers it. One that
    reads less is scored again less often.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, Column]]
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text", "spoken", "source", "target", "enrolment", "reference")

    def check(self) -> None:
        """Raise MetricUnavailable where the model is not here."""

    def settings(self) -> dict[str, Any]:
        return {}

    def load(self, device: torch.device) -> None:
        """Load the model; called once, only when something is left to score."""

    def unload(self) -> None:
        """Let the model go: one model is resident at a time."""

    def measure(self, conversions: Sequence[Conversion]) -> list[list[tuple[str, float, float, dict[str, Any]]]]:
        """Per conversion, a list of ``(column, value, weight, detail)``. A neighbour in the batch changes nothing."""
        raise NotImplementedError

    def evaluate(self, run: Run) -> list[Score]:
        from vcbench.scoring import score_recordings

        return score_recordings(self, run)


class SystemMetric:
    """Base of the metrics that look into a trained system instead of hearing its recordings: cached by its weights.

    A subclass sets `name`, `columns` and `version` (raise it when the code's results change), and writes `settings` and
    `measure`. `evaluate` skips what the run's cache already holds. A system that is not trained here has no row.
    """

    name: ClassVar[str]
    columns: ClassVar[dict[str, Column]]
    version: ClassVar[int] = 1
    hears: ClassVar[bool] = False

    def check(self) -> None:
        """It needs no model of its own."""

    def settings(self) -> dict[str, Any]:
        return {}

    def measure(self, system: NeuralSystem, row: str, run: Run) -> list[Score]:
        """Scores of the leaderboard's row `row`; what decides them is the system's weights and the run's split."""
        raise NotImplementedError

    def evaluate(self, run: Run) -> list[Score]:
        from vcbench.scoring import score_systems

        return score_systems(self, run)
