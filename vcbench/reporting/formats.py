"""A leaderboard as Markdown, LaTeX, a long table for CSV, and JSON."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from typing import Any

import pandas as pd

from vcbench.api.scores import ALL
from vcbench.base import escape
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.tables import Cell, Heading, TextTable, footnotes, part, plain_notes, text_tables
from vcbench.reporting.text import Marked, markdown_table, superscript

LATEX_COLUMNS = 5  # with their intervals, as many as fit on a page


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


def latex(board: Leaderboard) -> str:
    """A booktabs table per condition; needs only \\usepackage{booktabs}."""
    lines = [f"% Leaderboard of {escape.one_line(board.name)}; needs \\usepackage{{booktabs}}"]
    notes = [escape.tex(note) for note in plain_notes(board)]
    notes += [f"\\textsuperscript{{{k}}}~{escape.tex(note.text)}" for k, note in enumerate(footnotes(board), start=1)]
    for printed in text_tables(board):
        lines += ["", *_latex_table(printed, board.name)]
    return "\n".join([*lines, "", r"{\footnotesize\raggedright", "\n\n".join(notes), r"\par}", ""])


def _latex_table(printed: TextTable, name: str) -> list[str]:
    """A float with its columns in tabulars of `LATEX_COLUMNS`, one below the other."""
    lines = [r"\begin{table*}[t]", r"\centering\small\setlength{\tabcolsep}{4pt}"]
    lines.append(rf"\caption{{{escape.tex(f'{name}: {printed.title}')}}}")
    indices = range(len(printed.headings))
    for start in range(0, len(printed.headings), LATEX_COLUMNS):
        lines += [*_tabular(part(printed, indices[start : start + LATEX_COLUMNS])), r"\par\medskip"]
    return [*lines[:-1], r"\end{table*}"]


def _tabular(printed: TextTable) -> list[str]:
    body = []
    for index, row in enumerate(printed.rows):
        if row.reference and index and not printed.rows[index - 1].reference:
            body.append(r"\midrule")
        title = rf"\textit{{{escape.tex(row.system)}}}" if row.reference else escape.tex(row.system)
        body.append(" & ".join([title, *row.counts, *(_latex_cell(cell) for cell in row.cells)]) + r" \\")
    titles = ["system", *printed.count_titles, *(_latex_title(heading) for heading in printed.headings)]
    begin = rf"\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}"
    head = " & ".join(titles) + r" \\"
    return [begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]


def _latex_title(heading: Heading) -> str:
    wrapped = textwrap.wrap(f"{heading.title} {heading.arrow}".strip(), 16)
    stacked = r" \\ ".join(escape.tex(line) for line in wrapped)
    return _tex_superscript(rf"\shortstack[r]{{{stacked}}}", heading.marks)


def _latex_cell(cell: Cell) -> str:
    mean = escape.tex(cell.mean)
    mean = rf"\textbf{{{mean}}}" if cell.best else mean
    small = escape.tex(" ".join(part for part in (cell.interval, cell.extra) if part))
    return rf"{mean} {{\scriptsize {small}}}" if small else mean


def _tex_superscript(escaped: str, marks: str) -> str:
    return rf"{escaped}\textsuperscript{{{marks}}}" if marks else escaped


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
