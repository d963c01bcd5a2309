"""A leaderboard as Markdown, a long table for CSV, and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pandas as pd

from vcbench.api.scores import ALL
from vcbench.base import escape
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.tables import Cell, footnotes, plain_notes, text_tables
from vcbench.reporting.text import Marked, markdown_table, superscript


def markdown(board: Leaderboard) -> str:
    lines = [f"# Leaderboard of {escape.markdown(board.name)}", ""]
    lines += [f"{escape.markdown_note(note)}\n" for note in plain_notes(board)]
    for printed in text_tables(board):
        titles = [superscript(f"{head.title} {head.arrow}".strip(), head.marks) for head in printed.headings]
        table = [["system", *printed.count_titles, *titles]]
        for row in printed.rows:
            name = Marked(f"*{escape.markdown(row.system)}*") if row.reference else row.system
            table.append([name, *row.counts, *(_markdown_cell(cell) for cell in row.cells)])
        lines += [f"## {escape.markdown(printed.title)}", "", *markdown_table(table), ""]
    for mark, note in enumerate(footnotes(board), start=1):
        lines.append(f"{mark}. {escape.markdown_note(note.text)}")
    return "\n".join(lines).rstrip() + "\n"


def _markdown_cell(cell: Cell) -> Marked:
    """Bold if best; figures have nothing to escape."""
    mean = f"**{cell.mean}**" if cell.best else cell.mean
    return Marked(" ".join(part for part in (mean, cell.rank, cell.interval, cell.extra) if part))


def long_table(board: Leaderboard) -> pd.DataFrame:
    """One row per condition, system and column, in full precision; columns without values have a reason."""
    missing = pd.DataFrame(
        [
            {"condition": ALL, "system": row, "column": column, "count": 0, "unavailable": reason}
            for column, reason in board.unavailable.items()
            for row in (*board.systems, *board.references)
        ],
        columns=["condition", "system", "column", "count", "unavailable"],
    )
    table = pd.concat([board.cells.astype({"best": object}), missing], ignore_index=True)
    table = table.merge(board.counts, on=["condition", "system"], how="left")
    table["title"] = table["column"].map(lambda name: board.columns[name].title)
    table["higher_is_better"] = table["column"].map(lambda name: board.columns[name].higher_is_better).astype(object)
    table["reference"] = table["system"].isin(board.references)
    for whole in ("rank", "count", "trials", "failures"):
        table[whole] = table[whole].astype("Int64")
    order = ["condition", "system", "reference", "column", "title", "higher_is_better", "mean", "low", "high", "count"]
    return table[[*order, "trials", "failures", "rank", "best", "unavailable"]]


def plain(board: Leaderboard) -> dict[str, Any]:
    """The board as JSON; NaN and missing values become null."""
    return {
        "name": board.name,
        "corpus": board.corpus,
        "synthetic": board.synthetic,
        "systems": list(board.systems),
        "references": list(board.references),
        "conditions": board.conditions,
        "columns": {name: asdict(column) for name, column in board.columns.items()},
        "rows": _records(long_table(board)),
        "counts": _records(board.counts),
        "comparisons": _records(board.comparisons),
        "notes": [*plain_notes(board)]
        + [{"columns": list(about), "text": text} for about, text in board.notes if about],
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(table.to_json(orient="records", double_precision=15))
