"""Text that comes from a user, made safe for what it is printed in: terminal, Markdown, LaTeX, CSV, HTML, plots.

Names of systems, speakers, files and conditions may hold anything. Each output has one function here; nothing else escapes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import pandas as pd
    from rich.text import Text

# Controls (Cc), directions and other invisible formats (Cf), surrogates (Cs), line separators (Zl, Zp). They could move the
# cursor, reverse what follows, end a line, or not be encoded at all.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
JOINERS = "\u200c\u200d"  # also Cf, but part of correct spelling in Persian and Indic scripts, and of emoji

TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\to$", "±": r"$\pm$", "\u00d7": r"$\times$",
    "≤": r"$\leq$", "≥": r"$\geq$", "Δ": r"$\Delta$", "\u2013": "--", "\u00a0": "~",
}  # fmt: skip

# Where Markdown would see more than text: HTML, entities, emphasis, code, links, struck text, the edge of a cell.
MARKDOWN = re.compile(
    r"""\\(?=[!-/:-@[-`{-~]|$)  # an escape, or at the end one of what follows
    |<(?=[A-Za-z/!?])           # a tag
    |&(?=\#?\w+;)               # an entity
    |[*~`|]
    |(?<![^\W_])_|_(?![^\W_])   # inside a word, an underscore is text
    |(?<=\])[(\[]               # a link
    |(?<!\S)\#(?=\#*\s*$)       # what closes a heading
    """,
    re.VERBOSE,
)
CODE = re.compile(r"(`[^`]+`)")
LINE_START = re.compile(r">|\[|[#+=|-](?=[\s#+=|-]|$)|\d{1,9}(?=[.)](?:\s|$))")


def visible(text: str) -> str:
    """Text with hidden characters written as escapes (``\\x1b``); newlines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _shown(character) else _written(character) for character in text)


def _shown(character: str) -> bool:
    return character in "\n\t" + JOINERS or unicodedata.category(character) not in HIDDEN


def _written(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def one_line(text: str) -> str:
    """Visible text, with spaces for newlines and tabs."""
    return " ".join(re.split(r"[\n\t]", visible(text)))


def brief(text: str, limit: int = 80) -> str:
    """One line, of which a message shows at most `limit` characters."""
    line = one_line(text[: limit + 1])
    return line if len(line) <= limit else f"{line[:limit]}…"


def names(texts: Iterable[str], most: int = 12) -> str:
    """Names in a message: the first ones, and how many more there are."""
    texts = [brief(text) for text in texts]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return f"{', '.join(texts[:most])}{more}"


def terminal(text: str, style: str = "") -> Text:
    """Text for rich, which then finds neither markup nor emoji codes in it."""
    from rich.text import Text

    return Text(visible(text).replace("\t", " "), style=style)


def markdown(text: str) -> str:
    """A name within a line or a cell of Markdown."""
    return MARKDOWN.sub(lambda found: f"\\{found[0]}", one_line(text))


def markdown_note(text: str) -> str:
    """A sentence that begins a line of Markdown. What it has in backticks is code."""
    parts = CODE.split(one_line(text).strip())
    escaped = "".join(part if CODE.fullmatch(part) else markdown(part) for part in parts)
    start = LINE_START.match(escaped)  # of a list, a heading, a quotation, a definition
    if start is None:
        return escaped
    place = start.end() if start[0].isdigit() else 0
    return f"{escaped[:place]}\\{escaped[place:]}"


def tex(text: str) -> str:
    """Text for LaTeX's text mode; ``->`` becomes an arrow."""
    escaped = "".join(TEX.get(character, character) for character in one_line(text).replace("->", "→"))
    # At the start of a row, `[` or `*` would be an argument of the `\\` that ends the row above.
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped


def csv(table: pd.DataFrame) -> str:
    """A table as CSV that a spreadsheet opens without computing anything: what begins a formula gets an apostrophe."""
    shown = table.rename(columns=_csv_cell)
    for place, kind in enumerate(table.dtypes):
        if kind.kind not in "biuf":
            shown.isetitem(place, shown.iloc[:, place].map(_csv_cell))
    return shown.to_csv(index=False)


def _csv_cell(value: Any) -> Any:
    """OWASP, "CSV injection": a cell that begins with one of ``= + - @`` is a formula, also behind spaces."""
    if not isinstance(value, str):
        return value
    text = visible(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def plot(text: str) -> str:
    """A label for matplotlib, which leaves out of legends what begins with an underscore; math is off in the plots' style."""
    return f" {visible(text)}" if text.startswith("_") else visible(text)


def html(value: Any) -> Any:
    """A value that a template prints, for Jinja's `finalize`: hidden characters become visible, Jinja escapes the rest."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
