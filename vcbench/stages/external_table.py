"""The table of `vcbench score`: conversions that vcbench did not make, a row each, with what they were made from.

Columns: `system`; `converted`, `source` and `target` (the recording that the system was given), paths relative to the table;
optional `text` (what the source says), `source_speaker`, `target_speaker`, and `enrolment`: further recordings of the target,
separated by `;`, that speaker similarity is measured against.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vcbench.base.cells import TableError as TableError
from vcbench.base.cells import read_cells, refuse_doubled
from vcbench.base.errors import did_you_mean
from vcbench.base.escape import one_line

NEEDED = ("system", "converted", "source", "target")
OPTIONAL = ("text", "source_speaker", "target_speaker", "enrolment")
SEPARATOR = ";"  # between the recordings of an enrolment


class Recording(NamedTuple):
    """One file of the table that is not a conversion."""

    path: Path
    speaker: str
    text: str | None


def read_table(path: Path) -> pd.DataFrame:
    """The table, all columns of `NEEDED` and `OPTIONAL` as text, empty where there is nothing.

    `source_speaker` and `target_speaker` are filled in where they are left out: by the recording's own path, so that
    two recordings are then taken for two speakers.

    Raises:
        TableError: no such file, no CSV, a column that is missing or unknown, an empty cell, a row that stands twice.
    """
    header, rows = read_cells(path)
    _refuse_columns(path, header)
    if not rows:
        raise TableError(f"{path} has no row below its first line.")
    table = pd.DataFrame(rows.values(), index=pd.Index(rows, dtype=int), columns=header, dtype=str)
    for name in OPTIONAL:
        if name not in table:
            table[name] = ""
    table = table[[*NEEDED, *OPTIONAL]]
    _refuse_rows(path, table)
    for role in ("source", "target"):
        table[f"{role}_speaker"] = table[f"{role}_speaker"].where(table[f"{role}_speaker"] != "", table[role])
    return table.reset_index(drop=True)


def _refuse_columns(path: Path, found: list[str]) -> None:
    refuse_doubled(path, found)
    missing = [name for name in NEEDED if name not in found]
    unknown = [name for name in found if name not in (*NEEDED, *OPTIONAL)]
    if missing:
        raise TableError(
            f"{path} lacks the column(s) {', '.join(missing)}; its first line has: {', '.join(found)}. "
            f"Needed: {', '.join(NEEDED)}; optional: {', '.join(OPTIONAL)}."
        )
    if unknown:
        raise TableError(
            f"{path} has an unknown column {unknown[0]!r}.{did_you_mean(unknown[0], [*NEEDED, *OPTIONAL])}"
        )


def _refuse_rows(path: Path, table: pd.DataFrame) -> None:
    for name in NEEDED:
        empty = table.index[table[name] == ""]
        if len(empty):
            raise TableError(f"{path}: line {empty[0]} has nothing in the column {name}.")
    for name in ("system", "source_speaker", "target_speaker"):
        for line, cell in table[name].items():
            if one_line(cell) != cell:
                raise TableError(
                    f"{path}: line {line} has a hidden character in the column {name}: {cell!r}. Remove it."
                )
    twice = table.duplicated(["system", "source", "target", "enrolment"])
    if twice.any():
        row = table[twice].iloc[0]
        raise TableError(
            f"{path}: line {twice.idxmax()} is the second conversion of {row.source} to {row.target} by {row.system}; "
            "a system converts a pair once."
        )


def recordings(path: Path, table: pd.DataFrame) -> dict[str, Recording]:
    """Sources (with their text), targets and enrolments, by their name in the table.

    Raises:
        TableError: one recording is said to have two speakers or two texts.
    """
    said: dict[str, Recording] = {}
    for row in table.itertuples():
        listed = [(row.source, row.source_speaker, row.text)]
        listed += [(one, row.target_speaker, "") for one in (row.target, *enrolment(row.enrolment))]
        for name, speaker, text in listed:
            recording = Recording(path.parent / name, speaker, text or None)
            before = said.get(name, recording)
            merged = Recording(recording.path, speaker, recording.text or before.text)
            if before.speaker != speaker or (before.text and before.text != merged.text):
                raise TableError(
                    f"{path}: {name} is said to be {before[1:]} in one line and {recording[1:]} in another."
                )
            said[name] = merged
    return said


def enrolment(cell: str) -> list[str]:
    """Paths in a cell of the column `enrolment`."""
    return [part.strip() for part in cell.split(SEPARATOR) if part.strip()]
