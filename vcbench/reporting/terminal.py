"""A leaderboard on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from vcbench.base.escape import terminal, visible
from vcbench.reporting.comparisons import matrices
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.tables import Cell, Heading, TextTable, footnotes, only, part, plain_notes, text_tables
from vcbench.reporting.text import NO_BREAK_SPACE, pack, superscript

GAP = 3  # between two columns
NAME = 28  # characters of a line of a name


class TerminalBoard:
    """A rich renderable: the main columns over all conditions, each interval under its mean, as many columns side by side
    as fit. The other tables are in the files.
    """

    def __init__(self, board: Leaderboard) -> None:
        self.board = board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        board = only(self.board, [name for name, column in self.board.columns.items() if column.main])
        printed = next(text_tables(board))
        yield terminal(printed.title, "bold")
        for columns in _groups(printed, options.max_width):
            yield _terminal_table(part(printed, columns))
        for line in plain_notes(board):
            yield terminal(line, "dim")
        for mark, note in enumerate(footnotes(board), start=1):
            yield terminal(f"{superscript('', str(mark))} {note.text}", "dim")


def _column_width(printed: TextTable, index: int) -> int:
    """Room for every value, and for a title in about three lines."""
    cells = [_terminal_cell(row.cells[index]).plain for row in printed.rows]
    return _width(_terminal_title(printed.headings[index]), cells)


def _width(title: str, cells: Sequence[str]) -> int:
    longest = max(len(word) for word in title.split(" "))
    return max([longest, math.ceil(len(title) / 3), *(len(line) for cell in cells for line in cell.split("\n"))])


def _groups(printed: TextTable, width: int) -> Iterator[list[int]]:
    """Indices of the columns of each table; the counts are in the first."""
    names = max(len(visible(row.system)) for row in printed.rows) + 2
    counts = sum(len(title) + GAP for title in printed.count_titles)
    widths = [_column_width(printed, index) + GAP for index in range(len(printed.headings))]
    return pack(widths, width, names, counts)


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
    text = Text(cell.mean, style="bold green" if cell.best else "")
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


def fitted(
    titles: Sequence[str], rows: Sequence[Sequence[str]], width: int, caption: str, joined: Sequence[bool] = ()
) -> Iterator[Table]:
    """A table of figures, in as many tables as it takes to cut nothing; the first column has the names.

    Args:
        width: characters of the terminal.
        joined: of each column after the first, whether it stays with the one before it.
    """
    cells = [[cell.replace(" [", "\n[") for cell in row] for row in rows]
    names = min(max(len(visible(row[0])) for row in [titles, *rows]), NAME)
    widths = [_width(title, [visible(row[k]) for row in cells]) for k, title in enumerate(titles[1:], start=1)]
    for number, shown in enumerate(pack([one + GAP for one in widths], width, names + 2, joined=joined)):
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, title=terminal(caption, "table.title") if not number else None
        )
        table.add_column(terminal(titles[0]), width=names, overflow="fold")
        for k in shown:
            table.add_column(terminal(titles[k + 1]), justify="right", width=widths[k], overflow="fold")
        for row in cells:
            table.add_row(terminal(row[0]), *(terminal(row[k + 1]) for k in shown))
        yield table
