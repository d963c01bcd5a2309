"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vcbench.api.scores import Column
from vcbench.base.escape import markdown


class Marked(str):
    """A cell that is Markdown already, and is not escaped again."""


def markdown_table(table: Sequence[Sequence[str]]) -> list[str]:
    """Padded, so that the source is as readable as the page; every cell that is not `Marked` is escaped."""
    escaped = [[str(cell) if isinstance(cell, Marked) else markdown(cell) for cell in row] for row in table]
    widths = [max(len(row[index]) for row in escaped) for index in range(len(escaped[0]))]
    lines = [
        "| " + " | ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)) + " |" for row in escaped
    ]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if index == 0 else ":") for index, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]


NOT_MEASURED = "\u2013"
NO_BREAK_SPACE = "\u00a0"

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(text: str, marks: str) -> str:
    return f"{text}{marks.translate(SUPERSCRIPTS)}"


def number(value: float, column: Column) -> str:
    """A value as the column prints it, with a thousands separator from 10 000."""
    shown = round(value * 100 if column.percent else value, column.decimals) + 0.0  # + 0.0: no -0.0
    return f"{shown:{',' if abs(shown) >= 10_000 else ''}.{column.decimals}f}"


def ordinal(rank: int) -> str:
    ending = "th" if rank % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{ending}"


def pack(
    widths: Sequence[float], limit: float, names: float, extra: float = 0, joined: Sequence[bool] = ()
) -> Iterator[list[int]]:
    """The columns of each part of a table that is cut to fit, as indices.

    Args:
        names: width of the column of names, which every part has.
        extra: further width that the first part needs.
        joined: of each column, whether it stays with the one before it, if both fit.
    """
    units: list[list[int]] = []
    for index, width in enumerate(widths):
        stays = index < len(joined) and joined[index] and units
        if stays and names + width + sum(widths[one] for one in units[-1]) <= limit:
            units[-1].append(index)
        else:
            units.append([index])
    part: list[int] = []
    used = names + extra
    for unit in units:
        needed = sum(widths[one] for one in unit)
        if part and used + needed > limit:
            yield part
            part, used = [], names
        part, used = [*part, *unit], used + needed
    if part:
        yield part
