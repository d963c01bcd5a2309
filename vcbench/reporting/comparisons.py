"""Comparison matrices: every pair of systems in a leaderboard, as text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vcbench.api.scores import ALL, Column
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.text import NOT_MEASURED, number

MINUS = "\u2212"


@dataclass(frozen=True)
class Pair:
    """The row's system minus the column's; `better` names the better one, and is empty if they cannot be told apart."""

    difference: str
    interval: str
    p: str
    better: str
    common: int


@dataclass(frozen=True)
class Matrix:
    """Comparisons in one column; `pairs` has each pair once, keyed by (row, column) system; `power` is a sentence."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    pairs: dict[tuple[str, str], Pair]
    power: str


def matrices(board: Leaderboard) -> Iterator[Matrix]:
    """A matrix over all conditions for each main column in which at least two systems have values."""
    pooled = board.comparisons[board.comparisons["condition"] == ALL]
    for name, column in board.columns.items():
        found = pooled[pooled["column"] == name]
        if column.main and found["common"].max() > 1:
            yield Matrix(
                column.title,
                tuple(dict.fromkeys(found["first"])),
                tuple(dict.fromkeys(found["second"])),
                {(pair.first, pair.second): _pair(pair, column) for pair in found.itertuples()},
                _power(found["detectable"].dropna(), column),
            )


def _pair(found: Any, column: Column) -> Pair:
    if math.isnan(found.difference):
        return Pair(NOT_MEASURED, "", "", "", found.common)
    interval = f"[{_signed(found.low, column)}, {_signed(found.high, column)}]"
    return Pair(_signed(found.difference, column), interval, _p(found.p_holm), found.better, found.common)


def _signed(value: float, column: Column) -> str:
    text = number(value, column)
    return text.replace("-", MINUS) if text.startswith("-") else f"+{text}"


def _p(value: float) -> str:
    if math.isnan(value):
        return f"p {NOT_MEASURED}"
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _power(detectable: pd.Series, column: Column) -> str:
    """Empty if no pair has a detectable difference."""
    if detectable.empty:
        return ""
    smallest, median, largest = (number(value, column) for value in detectable.quantile([0, 0.5, 1]))
    return (
        f"The smallest difference that these trials would have shown with 80% power is {median} (median over the "
        f"pairs; range {smallest} to {largest})."
    )
