"""Numbers and tables as text: Markdown, LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from vcbench.api.scores import Column


def markdown_table(table: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, padded so that the source is as readable as the page."""
    escaped = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in table]
    widths = [max(len(row[index]) for row in escaped) for index in range(len(escaped[0]))]
    lines = [
        "| " + " | ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)) + " |" for row in escaped
    ]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if index == 0 else ":") for index, width in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]


def escape_tex(text: str) -> str:
    return "".join(TEX.get(character, character) for character in text.replace("->", "→"))


NOT_MEASURED = "\u2013"
NO_BREAK_SPACE = "\u00a0"

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$", "±": r"$\pm$", "\u00d7": r"$\times$", "≤": r"$\leq$",
    "≥": r"$\geq$", "Δ": r"$\Delta$", "\u2013": "--", NO_BREAK_SPACE: "~",
}  # fmt: skip

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
