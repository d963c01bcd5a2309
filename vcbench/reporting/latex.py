"""Tables for papers: booktabs, in parts that fit a column or a page, with captions, labels, ranks and intervals."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vcbench.base import escape
from vcbench.reporting.text import NOT_MEASURED, pack


@dataclass(frozen=True)
class Fit:
    """Where a table has to fit; width and height in points (1/72.27 inch)."""

    environment: str
    width: float
    height: float


# Of the narrowest usual styles: article, Interspeech and IEEE, two columns, in 10 pt.
FITS = {
    "column": Fit("table", 225, 480),
    "page": Fit("table*", 455, 480),
    "landscape": Fit("sidewaystable*", 540, 310),
}
PACKAGES = r"\usepackage{array,booktabs,rotating}"
MANY = r"\extrafloats{100}"  # LaTeX holds 52 floats that wait for a page
GAP = 8.0  # between two columns: twice \tabcolsep
LINE, BELOW, HEAD = 11.5, 8.5, 60.0  # heights of a row, of its second line, and of caption and rules
TITLE = 13  # characters of a line in a column's title
NARROW, WIDE, WIDEST = set("iljtfrI.,;:!'|()[]/- "), set("m%w"), set("MW@")
SMALL, SCRIPT = 8.5, 7.3  # points of an em: those of Computer Modern's small sizes, fitted to `_character`


@dataclass(frozen=True)
class TexCell:
    """A figure, with what stands beside and below it in small type."""

    figure: str
    below: str = ""
    rank: str = ""
    bold: bool = False


@dataclass(frozen=True)
class TexColumn:
    """`joined`: it stays with the column before it."""

    title: str
    marks: str = ""
    joined: bool = False


@dataclass(frozen=True)
class TexRow:
    """`reference` rows are in italics, below a rule."""

    name: str
    cells: tuple[TexCell, ...]
    reference: bool = False


def floats(
    columns: Sequence[TexColumn], rows: Sequence[TexRow], caption: str, label: str, fit: Fit, first: str = "system"
) -> Iterator[str]:
    """A table as one float, or as several where it is wider or higher than `fit`.

    Args:
        caption: a sentence or more, which every part repeats.
        label: without ``tab:``; parts add their number.
        first: title of the column of names.
    """
    parts = [
        (part, chunk)
        for part in _by_width(columns, rows, fit, first)
        for chunk in _by_height(
            [row for row in rows if any(row.cells[k].figure.strip(NOT_MEASURED) for k in part)], fit
        )
    ]
    for number, (part, chunk) in enumerate(parts, start=1):
        several = len(parts) > 1
        title = f"{caption} Part {number} of {len(parts)}." if several else caption
        cut = [TexRow(row.name, tuple(row.cells[k] for k in part), row.reference) for row in chunk]
        yield "\n".join(
            [
                rf"\begin{{{fit.environment}}}[t]",
                r"\centering\small\setlength{\tabcolsep}{4pt}",
                rf"\caption{{{escape.tex(title)}}}",
                rf"\label{{tab:{slug(label)}{f'-{number}' if several else ''}}}",
                *_tabular([columns[k] for k in part], cut, first),
                rf"\end{{{fit.environment}}}",
            ]
        )


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "table"


def text_width(text: str, em: float) -> float:
    """The width of a text in points, at most a little too large, in Computer Modern."""
    return em * sum(map(_character, text))


def _character(one: str) -> float:
    if one in NARROW:
        return 0.38
    if one in WIDEST:
        return 1.03
    return 0.84 if one in WIDE else 0.75 if one.isupper() or one in "\u2191\u2193" else 0.55


def _wrapped(column: TexColumn) -> list[str]:
    return textwrap.wrap(column.title, TITLE, break_long_words=False) or [""]


def _width(column: TexColumn, cells: Sequence[TexCell]) -> float:
    head = max(text_width(line, SMALL) for line in _wrapped(column)) + text_width(column.marks, SCRIPT)
    widths = [
        max(
            text_width(cell.figure, SMALL) * (1.15 if cell.bold else 1)
            + (text_width(f" {cell.rank}", SCRIPT) if cell.rank else 0),
            text_width(cell.below, SCRIPT),
        )
        for cell in cells
    ]
    return max([head, *widths]) + GAP


def _by_width(columns: Sequence[TexColumn], rows: Sequence[TexRow], fit: Fit, first: str) -> Iterator[list[int]]:
    """Indices of the columns of each part."""
    names = max(text_width(name, SMALL) for name in (first, *(row.name for row in rows)))
    widths = [_width(column, [row.cells[index] for row in rows]) for index, column in enumerate(columns)]
    return pack(widths, fit.width, names, joined=[column.joined for column in columns])


def _by_height(rows: Sequence[TexRow], fit: Fit) -> Iterator[list[TexRow]]:
    chunk: list[TexRow] = []
    used = HEAD
    for row in rows:
        needed = LINE + (BELOW if any(cell.below for cell in row.cells) else 0)
        if chunk and used + needed > fit.height:
            yield chunk
            chunk, used = [], HEAD
        chunk.append(row)
        used += needed
    if chunk:
        yield chunk


def _tabular(columns: Sequence[TexColumn], rows: Sequence[TexRow], first: str) -> list[str]:
    body = []
    for index, row in enumerate(rows):
        if row.reference and index and not rows[index - 1].reference:
            body.append(r"\midrule")
        body += _lines(row)
    head = " & ".join([escape.tex(first), *map(_head, columns)]) + r" \\"
    begin = rf"\begin{{tabular}}{{@{{}}l{'r' * len(columns)}@{{}}}}"
    return [begin, r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]


def _lines(row: TexRow) -> Iterator[str]:
    name = rf"\textit{{{escape.tex(row.name)}}}" if row.reference else escape.tex(row.name)
    below = [escape.tex(cell.below) for cell in row.cells]
    yield " & ".join([name, *map(_figure, row.cells)]) + (r" \\[-2pt]" if any(below) else r" \\")
    if any(below):
        yield " & ".join(["", *(rf"{{\scriptsize {text}}}" if text else "" for text in below)]) + r" \\"


def _head(column: TexColumn) -> str:
    stacked = r" \\ ".join(map(escape.tex, _wrapped(column)))
    marks = rf"\textsuperscript{{{column.marks}}}" if column.marks else ""
    return rf"\shortstack[r]{{{stacked}{marks}}}"


def _figure(cell: TexCell) -> str:
    figure = escape.tex(cell.figure)
    shown = rf"\textbf{{{figure}}}" if cell.bold else figure
    return rf"{shown} {{\scriptsize {escape.tex(cell.rank)}}}" if cell.rank else shown
