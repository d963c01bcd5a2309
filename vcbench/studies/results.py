"""A study's results: means over seeds with intervals, and answers to the paper's claims."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from vcbench.stats.scores import NONE, Interval, compare_pairs, t_interval, weighted_mean_interval
from vcbench.studies.file import Claim
from vcbench.studies.study import CONDITION_SIGN, LESS_SIGN, Study

Verdict = Literal["holds", "does not hold", "cannot be told"]


@dataclass(frozen=True)
class Answer:
    """`difference` is the cell's value minus the other's, `low` and `high` its interval, in the column's unit."""

    claim: Claim
    verdict: Verdict
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class StudyResults:
    """Scores of a study: a row per score, its cell's label in `system`, and its `seed`.

    With several seeds, intervals are over seeds: Student's t on the seeds' means, or on a claim's differences seed by
    seed. With one seed, they are over the tested speakers (the leaderboard's bootstrap), and do not show how much
    another training would differ.
    """

    study: Study
    scores: pd.DataFrame
    seeds: tuple[int, ...]

    def of(self, label: str, column: str) -> pd.DataFrame:
        """Scores of a cell, or of "A less B", in a column; in one condition if the column names it."""
        label, _, less = label.partition(LESS_SIGN)
        name, _, condition = column.partition(CONDITION_SIGN)
        table = self.scores[(self.scores["system"] == label) & (self.scores["column"] == name)]
        table = table[table["condition"] == condition] if condition else table
        return _less(table, self.of(less, column)) if less else table

    def by_seed(self, label: str, column: str) -> dict[int, float]:
        """The weighted mean of each seed that has scores."""
        groups = self.of(label, column).groupby("seed")
        return {int(seed): float(np.average(part["value"], weights=part["weight"])) for seed, part in groups}

    def interval(self, label: str, column: str) -> Interval | None:
        """Mean and interval; None if nothing was measured."""
        means = list(self.by_seed(label, column).values())
        if not means:
            return None
        if len(self.seeds) > 1 or self.study.columns[column].exact:
            return t_interval(means, self.study.columns[column].exact)
        table = self.of(label, column)
        speakers = table["source_speaker"].tolist(), table["target_speaker"].tolist()
        bounds = (-math.inf, math.inf) if LESS_SIGN in label else self.study.columns[column].bounds(table["value"])
        return weighted_mean_interval(table["value"], table["weight"], *speakers, bounds=bounds)

    def answer(self, claim: Claim) -> Answer:
        """A claim holds if the whole interval of the difference is on the claimed side, and does not if none of it is."""
        found = self._difference(claim)
        sign = 1 if claim.relation == "above" else -1
        worst, best = sorted((sign * found.low + claim.margin, sign * found.high + claim.margin))
        verdict: Verdict = "holds" if worst > 0 else "does not hold" if best < 0 else "cannot be told"
        return Answer(claim, verdict, found.mean, found.low, found.high)

    def _difference(self, claim: Claim) -> Interval:
        exact = self.study.columns[claim.column].exact
        if isinstance(claim.other, str):
            is_column = claim.other in self.study.columns
            place = (claim.cell, claim.other) if is_column else (claim.other, claim.column)
            other = self.by_seed(*place)
        else:
            other = dict.fromkeys(self.seeds, claim.other)
        own = self.by_seed(claim.cell, claim.column)
        differences = [own[seed] - other[seed] for seed in self.seeds if seed in own and seed in other]
        if not differences:
            return Interval(NONE, NONE, NONE, 0)
        if len(self.seeds) > 1 or exact:
            return t_interval(differences, exact)
        if not isinstance(claim.other, str):
            found = self.interval(claim.cell, claim.column)
            assert found is not None  # there is a difference, so there are scores
            return Interval(differences[0], found.low - claim.other, found.high - claim.other, found.count)
        return _paired(self.of(claim.cell, claim.column), self.of(*place))


def _less(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """`first` on the common trials, with its values minus those of `second`."""
    unit = ["seed", "trial", "condition"]
    both = first.merge(second[[*unit, "value"]], on=unit, suffixes=("", "_less"))
    return both.assign(value=both["value"] - both["value_less"]).drop(columns="value_less")


def _paired(first: pd.DataFrame, second: pd.DataFrame) -> Interval:
    """Difference of two sets of scores of one seed, paired on common trials."""
    both = pd.concat([first.assign(system="first"), second.assign(system="second")])
    found = compare_pairs(both, None, ["first", "second"]).iloc[0]
    return Interval(float(found["difference"]), float(found["low"]), float(found["high"]), int(found["common"]))
