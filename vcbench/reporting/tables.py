"""The content of a leaderboard's tables as text, the same for every format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from vcbench.api.scores import ALL, Column
from vcbench.base.errors import UserError, did_you_mean
from vcbench.base.nouns import counted
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.text import NO_BREAK_SPACE, NOT_MEASURED, number, ordinal
from vcbench.stats.scores import DRAWS, LEVEL


@dataclass(frozen=True)
class Cell:
    """The content of a cell; `extra` is e.g. an unusual count of values."""

    mean: str
    interval: str = ""
    rank: str = ""
    best: bool = False
    extra: str = ""


@dataclass(frozen=True)
class Heading:
    """A column's key and title, an arrow for the better direction, and the numbers of its footnotes."""

    column: str
    title: str
    arrow: str
    marks: str


@dataclass(frozen=True)
class Row:
    system: str
    reference: bool
    counts: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TextTable:
    """One table: a condition with the columns that have values there.

    Attributes:
        main: whether it has the main columns, else the further ones.
        trials: how many, as ``36 trials``; empty where there are none.
    """

    condition: str
    main: bool
    title: str
    trials: str
    count_titles: tuple[str, ...]
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Footnote:
    """A note on some columns, or why they are in no table."""

    columns: tuple[str, ...]
    text: str


def footnotes(board: Leaderboard) -> list[Footnote]:
    """Numbered from 1: notes on single columns, then the columns that no row has a value in, with the reasons."""
    noted = [
        Footnote(columns, text)
        for columns, text in board.notes
        if columns and not set(columns) <= set(board.unavailable)
    ]
    reasons: dict[str, list[str]] = {}
    for column, reason in board.unavailable.items():
        reasons.setdefault(reason, []).append(column)
    for reason, columns in reasons.items():
        titles = ", ".join(board.columns[column].title for column in columns)
        noted.append(Footnote(tuple(columns), f"{titles}: n/a: {reason}"))
    return noted


def plain_notes(board: Leaderboard) -> list[str]:
    """How to read the tables, and notes on the whole leaderboard."""
    lines = [f"Corpus: {board.corpus}."]
    if board.synthetic:
        lines = [f"The corpus {board.corpus} is synthetic speech: its figures say nothing about real voices."]
    lines.append(f"Mean [{LEVEL:.0%} interval]: bootstrap over speakers, {DRAWS} draws.")
    if len(board.systems) > 1:
        lines.append(
            "Systems that cannot be told apart share a rank (1st, 2nd, ...); no rank is shown if all share one. Bold: better than "
            f"every other system. Both by paired comparison on common trials at the {1 - LEVEL:.0%} level, with Holm's correction."
        )
        lines.append(
            "Detectable: the smallest difference between two systems that these trials would show with 80% power "
            "(median over the pairs, at the strictest step of the correction)."
        )
    return [*lines, *_left_out(board), *_common(board), *(text for columns, text in board.notes if not columns)]


def _left_out(board: Leaderboard) -> Iterator[str]:
    """Why reference rows are not in tables of columns in which only systems have values."""
    pooled = board.cells[board.cells["condition"] == ALL]
    filled = {row: set(pooled.loc[pooled["system"] == row, "column"]) for row in (*board.systems, *board.references)}
    of_systems = set.union(set(), *(filled[row] for row in board.systems))
    lacking = {row: of_systems - filled[row] for row in board.references}
    if board.systems and (common := set.intersection(of_systems, *lacking.values())) and any(lacking.values()):
        titles = "; ".join(column.title for name, column in board.columns.items() if name in common and column.main)
        rows = ", ".join(board.references)
        yield f"No value for {rows}, which no system made: {titles}. Tables of such columns alone leave these rows out."


def _common(board: Leaderboard) -> Iterator[str]:
    """A note on each pair of systems that is compared on fewer trials than one of them converted."""
    pooled = board.counts[(board.counts["condition"] == ALL) & board.counts["system"].isin(board.systems)]
    converted = dict(zip(pooled["system"], pooled["trials"] - pooled["failures"], strict=True))
    pairs = board.comparisons[board.comparisons["condition"] == ALL]
    for (first, second), common in pairs.groupby(["first", "second"], sort=False)["common"].max().items():
        if common < max(converted.get(first, 0), converted.get(second, 0)):
            yield f"{first} and {second} are compared on the {counted(common, 'trial')} that both have."


def text_tables(board: Leaderboard) -> Iterator[TextTable]:
    """The main columns over all conditions, then in each condition; last, the further columns over all conditions."""
    for condition, main in [*((condition, True) for condition in board.conditions), (ALL, False)]:
        cells = board.cells[board.cells["condition"] == condition]
        present = set(cells["column"])
        columns = [name for name in board.columns if name in present and board.columns[name].main == main]
        if columns or main:
            yield _text_table(board, condition, columns, cells, main)


def _text_table(
    board: Leaderboard, condition: str, columns: Sequence[str], cells: pd.DataFrame, main: bool
) -> TextTable:
    counts = board.counts[board.counts["condition"] == condition].set_index("system")[["trials", "failures"]]
    rows = [_row(board, name, columns, cells, counts) for name in (*board.systems, *board.references)]
    rows = [row for row in rows if row.counts or _filled(row)]
    detectable = _detectable_row(board, condition, columns, len(counts) > 0)
    trials = counted(int(counts["trials"].max()), "trial") if len(counts) else ""
    title = ("All conditions" if condition == ALL else condition) + ("" if main else ", further columns")
    return TextTable(
        condition,
        main,
        f"{title} ({trials})" if trials else title,
        trials,
        ("n", "failed") if len(counts) else (),
        tuple(_heading(board, name) for name in columns),
        (*rows, *detectable),
    )


def only(board: Leaderboard, names: Sequence[str], as_main: bool = True) -> Leaderboard:
    """The board with some of its columns, in the order given, and the notes on these.

    Args:
        as_main: print all of them in the main tables.

    Raises:
        UserError: there is no such column.
    """
    for name in names:
        if name not in board.columns:
            raise UserError(f"The leaderboard has no column {name!r}.{did_you_mean(name, list(board.columns))}")
    kept = set(names)
    return replace(
        board,
        columns={name: replace(board.columns[name], main=as_main or board.columns[name].main) for name in names},
        cells=board.cells[board.cells["column"].isin(kept)],
        comparisons=board.comparisons[board.comparisons["column"].isin(kept)],
        unavailable={name: reason for name, reason in board.unavailable.items() if name in kept},
        notes=tuple(
            (tuple(n for n in about if n in kept), text) for about, text in board.notes if not about or kept & {*about}
        ),
    )


def part(printed: TextTable, columns: Sequence[int]) -> TextTable:
    """Some columns of a table, without the rows that are empty there; the counts go with the first column."""
    first = 0 in columns
    rows = [
        replace(row, counts=row.counts if first else (), cells=tuple(row.cells[index] for index in columns))
        for row in printed.rows
    ]
    return replace(
        printed,
        count_titles=printed.count_titles if first else (),
        headings=tuple(printed.headings[index] for index in columns),
        rows=tuple(row for row in rows if any(row.counts) or _filled(row)),
    )


def _filled(row: Row) -> bool:
    return any(cell.mean not in (NOT_MEASURED, "") for cell in row.cells)


def _heading(board: Leaderboard, name: str) -> Heading:
    column = board.columns[name]
    arrow = "" if column.higher_is_better is None else "↑" if column.higher_is_better else "↓"
    return Heading(name, column.title, arrow, _marks(board, name))


def _marks(board: Leaderboard, name: str) -> str:
    return ",".join(str(mark) for mark, note in enumerate(footnotes(board), start=1) if name in note.columns)


def _row(board: Leaderboard, row: str, columns: Sequence[str], cells: pd.DataFrame, counts: pd.DataFrame) -> Row:
    own = {cell.column: cell for cell in cells[cells["system"] == row].itertuples()}
    most = cells.groupby("column")["count"].max()
    tried, failed = counts.loc[row] if row in counts.index else (0, 0)
    converted = int(tried - failed)
    shown = []
    for name in columns:
        if name in own:
            usual = (int(most[name]), converted)
            shown.append(_cell(own[name], board.columns[name], usual, cells))
        else:
            shown.append(Cell(NOT_MEASURED))
    numbers = (str(converted), str(failed)) if row in counts.index else ()
    return Row(row, row in board.references, numbers, tuple(shown))


def _cell(found: pd.Series, column: Column, usual: Sequence[int], cells: pd.DataFrame) -> Cell:
    """`usual` are the counts that are not shown: the column's largest, and the row's number of conversions."""
    low, high = number(found.low, column), number(found.high, column)
    ranked = cells.loc[cells["column"] == found.column, "rank"].dropna()
    return Cell(
        number(found.mean, column),
        "" if math.isnan(found.low) else f"[{low},{NO_BREAK_SPACE}{high}]",
        "" if pd.isna(found.rank) or ranked.nunique() < 2 else ordinal(int(found.rank)),
        bool(found.best),
        extra="by construction" if found.constructed else "" if found.count in usual else f"n={found.count}",
    )


def _detectable_row(board: Leaderboard, condition: str, columns: Sequence[str], counted: bool) -> list[Row]:
    pairs = board.comparisons[board.comparisons["condition"] == condition]
    medians = pairs.groupby("column")["detectable"].median().dropna()
    if medians.empty:
        return []
    cells = [Cell(number(medians[name], board.columns[name])) if name in medians else Cell("") for name in columns]
    return [Row("detectable", True, ("", "") if counted else (), tuple(cells))]
