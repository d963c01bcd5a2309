"""CSV as cells of text, with their lines: nothing is guessed, and a row of another length than the first is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from vcbench.base.errors import UserError
from vcbench.base.escape import brief
from vcbench.base.nouns import counted


class TableError(UserError):
    """A table that cannot be read as asked; the message names line and column."""


def read_cells(path: Path, separators: str = ",", strict: bool = True) -> tuple[list[str], dict[int, list[str]]]:
    """The names in the first line, and by their line the cells of each row, stripped; empty lines are passed over.

    Args:
        separators: the one that the first line has most of is taken.
        strict: refuse quotes within a cell that are not doubled; PHP writes such.

    Raises:
        TableError: no such file, no UTF-8, no CSV, or rows of different lengths.
    """
    text = _text(path)
    separator = max(separators, key=text.partition("\n")[0].count)
    source = io.StringIO(text, newline="")
    reader = csv.reader(source, delimiter=separator, skipinitialspace=True, strict=strict)
    rows: dict[int, list[str]] = {}
    try:
        for cells in reader:
            if len(cells) > 1 or any(map(str.strip, cells)):
                _refuse_rows_in_a_cell(path, reader.line_num, cells, separator)
                rows[reader.line_num] = [cell.strip() for cell in cells]
    except csv.Error as error:
        raise TableError(
            f"{path}: line {reader.line_num} is not CSV ({separator!r} between cells, quotes around those that have it): {error}."
        ) from error
    header = rows.pop(min(rows), []) if rows else []
    for line, row in rows.items():
        if len(row) != len(header):
            raise TableError(
                f"{path} is not a table in CSV: line {line} has {counted(len(row), 'cell')}, the first line {len(header)}. "
                f'Put a cell that has {"commas" if separator == "," else repr(separator)} in "quotes".'
            )
    return header, rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise TableError(f"There is no table {path}.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path} cannot be read as a table in UTF-8: {error}. Save it as CSV in UTF-8.") from error
    except (OSError, ValueError) as error:
        raise TableError(f"{path} cannot be read as a table in UTF-8: {error}.") from error


def _refuse_rows_in_a_cell(path: Path, line: int, cells: list[str], separator: str) -> None:
    """A quote that is never closed takes the rows below into its cell: they would be lost without a word."""
    beginning = f"\n{cells[0]}{separator}"
    for cell in cells:
        if cells[0] and beginning in cell.replace("\r", "\n"):
            raise TableError(
                f"{path}: the row that ends in line {line} has further rows in the cell {brief(cell, 40)!r}: a quote is not "
                "closed. Double the quotes within the cell."
            )


def refuse_doubled(path: Path, header: list[str]) -> None:
    """
    Raises:
        TableError: two columns have the same name.
    """
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{path} has the column {brief(twice)} {header.count(twice)} times; keep one of them.")
