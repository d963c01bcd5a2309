"""Scores, and the leaderboard columns that they fill."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import pandas as pd

Role = Literal["", "listeners", "target", "source", "words", "naturalness", "probe", "speed"]
ALL = "all"  # the condition that pools all others; also that of scores without a condition


BY_CONSTRUCTION = "by construction"  # key of a detail


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
        clocked: time or memory that this machine took; the same computation gives another value elsewhere.
        detail: what the report shows of the details of its scores: ``transcript`` (a key of that name, text) or ``bands``
            (a key of that name, an error for each mel band) or ``semitones`` (a key of that name, a signed difference in pitch
            from the target); empty if nothing.
        role: which of the questions that decide it answers; the report's first table has the first column of each role that
            has values. ``listeners`` asked people, ``target`` and ``source`` are similarities to these, ``words`` whether the
            words are kept.
        constructed: whether a system's structure may decide the value, as a detail then says with ``"by construction": true``.
            Such a value is neither ranked nor compared.
    """

    title: str
    higher_is_better: bool | None
    decimals: int = 2
    percent: bool = False
    main: bool = True
    exact: bool = False
    needs: str = ""
    clocked: bool = False
    detail: Literal["", "transcript", "bands", "semitones"] = ""
    role: Role = ""
    constructed: bool = False

    def bounds(self, values: pd.Series) -> tuple[float, float]:
        """What a mean cannot be beyond, as far as all values of the column tell: 0 if none is negative; 1 for a share."""
        share = self.percent and values.max() <= 1
        return 0.0 if values.min() >= 0 else -math.inf, 1.0 if share else math.inf


class Measurement(NamedTuple):
    """A value that a metric measured on one recording.

    Attributes:
        column: key in the metric's `columns`.
        weight, detail: as in `Score`.
    """

    column: str
    value: float
    weight: float = 1.0
    detail: Mapping[str, Any] = {}


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
        source_speaker, target_speaker: names; scores that share a speaker, in whichever role, are not independent.
            Empty where there are none.
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


FIELDS = ("system", "column", "trial", "condition", "value", "weight", "source_speaker", "target_speaker", "detail")


def scores_to_frame(scores: Sequence[Score]) -> pd.DataFrame:
    """One row per score; `detail` as JSON text."""
    rows = [asdict(score) | {"detail": json.dumps(score.detail, ensure_ascii=False)} for score in scores]
    return pd.DataFrame(rows, columns=list(FIELDS))


def constructed(scores: pd.DataFrame) -> list[str]:
    """Systems with values that their structure decides, in order.

    Args:
        scores: columns of `Score`, `detail` as JSON text.
    """
    said = scores["detail"].str.contains(f'"{BY_CONSTRUCTION}": true', regex=False)
    return list(dict.fromkeys(scores.loc[said, "system"]))
