"""The report's first table: the few columns that decide."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vcbench.api.scores import ALL
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.tables import Cell, Heading, text_tables

HEADINGS = {
    "listeners": "Listeners",
    "target": "Similarity to target",
    "source": "Similarity to source",
    "words": "Word errors",
    "naturalness": "Predicted naturalness",
    "probe": "Speaker probe",
    "speed": "Speed",
}
FALLBACK = 6  # main columns that stand in where no column declares a role


@dataclass(frozen=True)
class KeyCell:
    """A cell with the value that it is sorted by; empty if it has none."""

    text: Cell
    order: str


@dataclass(frozen=True)
class KeyRow:
    system: str
    reference: bool
    failed: str
    cells: tuple[KeyCell, ...]


@dataclass(frozen=True)
class KeyTable:
    """Rows of the columns that decide.

    Attributes:
        headings: a short heading, and the column's own with its direction and footnotes.
        ascending: by column, whether the best value is the lowest.
        references: rows that are not systems.
    """

    headings: tuple[tuple[str, Heading], ...]
    ascending: tuple[bool, ...]
    systems: tuple[KeyRow, ...]
    references: tuple[KeyRow, ...]


def deciding(board: Leaderboard) -> dict[str, str]:
    """By role the first column that has values for a system; by their own names the first main columns, if none has a role."""
    filled = set(board.cells.loc[board.cells["system"].isin(board.systems), "column"])
    found = [(name, column) for name, column in board.columns.items() if name in filled and column.main]
    by_role: dict[str, str] = {}
    for name, column in found:
        if column.role:
            by_role.setdefault(column.role, name)
    ordered = {role: by_role[role] for role in HEADINGS if role in by_role}
    return ordered or {name: name for name, _ in found[:FALLBACK]}


def key_table(board: Leaderboard, roles: dict[str, str]) -> KeyTable:
    """The deciding columns of the main table over all conditions."""
    main = next(text_tables(board))
    columns = [heading.column for heading in main.headings]
    pooled = board.cells[board.cells["condition"] == ALL]
    means = {(cell.system, cell.column): cell.mean for cell in pooled.itertuples()}

    def cells(system: str, texts: tuple[Cell, ...]) -> tuple[KeyCell, ...]:
        values = [means.get((system, name), math.nan) for name in roles.values()]
        own = [texts[columns.index(name)] for name in roles.values()]
        return tuple(
            KeyCell(text, "" if math.isnan(value) else repr(float(value)))
            for text, value in zip(own, values, strict=True)
        )

    rows = [
        KeyRow(row.system, row.reference, row.counts[1] if row.counts else "", cells(row.system, row.cells))
        for row in main.rows
        if row.system in {*board.systems, *board.references}
    ]
    headings = tuple(
        (HEADINGS.get(role, board.columns[name].title), main.headings[columns.index(name)])
        for role, name in roles.items()
    )
    return KeyTable(
        headings,
        tuple(board.columns[name].higher_is_better is False for name in roles.values()),
        tuple(row for row in rows if not row.reference),
        tuple(row for row in rows if row.reference and any(cell.order for cell in row.cells)),
    )
