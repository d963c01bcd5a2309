"""A leaderboard on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from vcbench.base.escape import terminal, visible
from vcbench.reporting.comparisons import matrices
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.tables import Cell, Heading, TextTable, footnotes, part, plain_notes, text_tables
from vcbench.reporting.text import NO_BREAK_SPACE, superscript


class TerminalBoard:
    """A rich renderable: the main columns over all conditions, each interval under its mean, as many columns side by side
    as fit. The other tables are in the files.
    """

    def __init__(self, board: Leaderboard) -> None:
        self.board = board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        printed = next(text_tables(self.board))
        yield terminal(printed.title, "bold")
        for columns in _groups(printed, options.max_width):
            yield _terminal_table(part(printed, columns))
        for line in plain_notes(self.board):
            yield terminal(line, "dim")
        for mark, note in enumerate(footnotes(self.board), start=1):
            yield terminal(f"{superscript('', str(mark))} {note.text}", "dim")


def _column_width(printed: TextTable, index: int) -> int:
    """Room for every value, and for a title in about three lines."""
    title = _terminal_title(printed.headings[index])
    longest = max(len(word) for word in title.split(" "))
    cells = [line for row in printed.rows for line in _terminal_cell(row.cells[index]).plain.split("\n")]
    return max([longest, math.ceil(len(title) / 3), *(len(line) for line in cells)])


def _groups(printed: TextTable, width: int) -> Iterator[list[int]]:
    """Indices of the columns of each table; the counts are in the first."""
    names = max(len(visible(row.system)) for row in printed.rows) + 2
    used = names + sum(len(title) + 3 for title in printed.count_titles)
    group: list[int] = []
    for index in range(len(printed.headings)):
        needed = _column_width(printed, index) + 3
        if group and used + needed > width:
            yield group
            group, used = [], names
        group.append(index)
        used += needed
    if group:
        yield group


def _terminal_table(printed: TextTable) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("system", no_wrap=True)
    for title in printed.count_titles:
        table.add_column(title, justify="right")
    for index, heading in enumerate(printed.headings):
        table.add_column(terminal(_terminal_title(heading)), justify="right", width=_column_width(printed, index))
    for index, row in enumerate(printed.rows):
        if row.reference and index and not printed.rows[index - 1].reference:
            table.add_section()
        name = terminal(row.system, "italic dim" if row.reference else "")
        table.add_row(name, *row.counts, *(_terminal_cell(cell) for cell in row.cells))
    return table


def _terminal_title(heading: Heading) -> str:
    return superscript(
        f"{heading.title}{NO_BREAK_SPACE}{heading.arrow}" if heading.arrow else heading.title, heading.marks
    )


def _terminal_cell(cell: Cell) -> Text:
    text = Text(superscript(cell.mean, cell.marks), style="bold green" if cell.best else "")
    if cell.rank:
        text.append(f" {cell.rank}", style="not bold dim")
    for below in (cell.interval, cell.extra):
        if below:
            text.append(f"\n{below}", style="not bold dim")
    return text


class TerminalPairs:
    """A rich renderable: the paired differences over all conditions, a table for each main column."""

    def __init__(self, board: Leaderboard) -> None:
        self.board = board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for matrix in matrices(self.board):
            table = Table("first", "second", box=box.SIMPLE_HEAD, title=terminal(f"{matrix.title}: first minus second"))
            for name in ("difference", "95% interval", "Holm's p", "trials"):
                table.add_column(name, justify="right")
            table.add_column("better")
            for (first, second), pair in matrix.pairs.items():
                figures = pair.difference, pair.interval, pair.p.removeprefix("p ").removeprefix("= "), str(pair.common)
                table.add_row(*map(terminal, (first, second, *figures, pair.better or "not told apart")))
            yield table
