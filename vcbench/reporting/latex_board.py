"""A leaderboard as LaTeX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vcbench.api.scores import ALL
from vcbench.base import escape
from vcbench.reporting.latex import FITS, MANY, PACKAGES, Fit, TexCell, TexColumn, TexRow, floats
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.tables import Cell, TextTable, footnotes, only, plain_notes, text_tables
from vcbench.reporting.text import NO_BREAK_SPACE
from vcbench.stats.scores import LEVEL


def latex(board: Leaderboard, columns: Sequence[str] = (), fit: str = "page") -> str:
    """Every table in booktabs, as floats that fit, then the notes in small type. Columns without values are notes only.

    Args:
        columns: keys of the columns to print, in order; by default the main ones in each condition, and then the others.
        fit: one of `FITS`.

    Raises:
        UserError: a column that the board does not have.
    """
    chosen = only(board, columns) if columns else board
    printed = only(chosen, [name for name in chosen.columns if name not in chosen.unavailable], as_main=False)
    lines = [f"% Leaderboard of {escape.one_line(board.name)}; needs {PACKAGES}", MANY, ""]
    for table in text_tables(printed):
        lines += [*_floats(printed, table, FITS[fit]), ""]
    notes = [escape.tex(note) for note in plain_notes(printed)]
    notes += [rf"\textsuperscript{{{k}}}~{escape.tex(note.text)}" for k, note in enumerate(footnotes(printed), start=1)]
    notes += [escape.tex(note.text) for note in footnotes(chosen) if set(note.columns) <= set(chosen.unavailable)]
    return "\n".join([*lines, r"{\footnotesize\raggedright", "\n\n".join(notes), r"\par}", ""])


def _floats(board: Leaderboard, table: TextTable, fit: Fit) -> Iterator[str]:
    counted = len({row.counts for row in table.rows if any(row.counts)}) > 1
    titles = [TexColumn(title) for title in table.count_titles if counted]
    columns = [
        *titles,
        *(TexColumn(f"{head.title}{NO_BREAK_SPACE}{head.arrow}".strip(), head.marks) for head in table.headings),
    ]
    rows = [
        TexRow(row.system, (*_counts(row.counts, len(titles)), *map(_cell, row.cells)), row.reference)
        for row in table.rows
    ]
    label = f"{board.name}-{table.condition if table.main else 'further'}"
    return floats(columns, rows, _caption(board, table), label, fit)


def _counts(counts: Sequence[str], wanted: int) -> Iterator[TexCell]:
    return (TexCell(counts[index] if index < len(counts) else "") for index in range(wanted))


def _cell(cell: Cell) -> TexCell:
    return TexCell(cell.mean, " ".join(filter(None, (cell.interval, cell.extra))), cell.rank, cell.best)


def _caption(board: Leaderboard, table: TextTable) -> str:
    cells = [cell for row in table.rows for cell in row.cells]
    speech = " (synthetic speech)" if board.synthetic else ""
    where = "" if table.condition == ALL else f", condition {table.condition}"
    about = ", ".join(filter(None, ("" if table.main else "further columns", table.trials)))
    parts = [f"{board.name} on {board.corpus}{speech}{where}{about and f': {about}'}."]
    if any(cell.interval for cell in cells):
        parts.append(f"Means with {LEVEL:.0%} intervals.")
    if any(cell.rank for cell in cells):
        parts.append("Systems that cannot be told apart share a rank.")
    if any(cell.best for cell in cells):
        parts.append("Bold: better than every other system.")
    return " ".join(parts)
