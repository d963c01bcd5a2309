"""Whatever a name holds, each output shows it as text."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console
from rich.table import Table

from tests.support.hostile import HOSTILE_NAMES, hostile_names
from vcbench.base import escape, progress
from vcbench.base.console import print_missing, say
from vcbench.reporting.text import Marked, markdown_table


class Words(HTMLParser):
    """The text of a page and the tags around it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.tags = "", list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def squeezed(text: str) -> str:
    return " ".join(text.split())


def every_name(test):
    """Run a property on the whole list, and on what hypothesis finds."""
    for name in HOSTILE_NAMES:
        test = example(name)(test)
    return settings(max_examples=300, deadline=None)(given(hostile_names)(test))


def without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@every_name
def test_visible_text_can_be_encoded_and_moves_no_cursor(name: str) -> None:
    shown = escape.visible(name)
    shown.encode()
    assert not set(shown) & {chr(code) for code in (*range(9), *range(11, 32), 127, *range(128, 160))}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
    assert escape.visible(shown) == shown


def test_visible_text_that_is_harmless_stays() -> None:
    for text in ("again_vc", "日本語", "e\u0301", "👩‍🔬", "a\nb\tc", "\u0645\u06cc\u200c\u062e"):
        assert escape.visible(text) == text
    assert escape.visible("a\x1b[31m\ud800\u202e") == "a\\x1b[31m\\ud800\\u202e"


@every_name
def test_the_terminal_prints_names_as_they_are(name: str) -> None:
    console = Console(file=io.StringIO(), width=2000, force_terminal=True)
    say(console, ("Error:", "bold red"), f" {name}", (name, "red"))
    print_missing({name: name}, console)
    table = Table(title=escape.terminal(name))
    table.add_column(escape.terminal(name))
    table.add_row(escape.terminal(name))
    console.print(table)
    lines = without_styles(console.file.getvalue())  # type: ignore[attr-defined]
    assert "\x1b" not in lines
    shown = squeezed(escape.visible(name))
    assert squeezed(lines).count(shown) >= 5


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_progress_bars_take_any_name(name: str) -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with progress.shown("score", console) as report:
        report(name, 1, 2, name)
        report(name, 2, 2, name)
    assert "\x1b]" not in console.file.getvalue()  # type: ignore[attr-defined]


@every_name
def test_markdown_cells_show_names_as_they_are(name: str) -> None:
    table = markdown_table([[name, "b"], [name, "1"], [Marked("*source*"), "2"]])
    assert len(table) == 4
    page = Words(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render("\n".join(table)))
    shown = squeezed(escape.one_line(name))
    assert squeezed(page.text) == squeezed(f"{shown} b {shown} 1 source 2")
    assert set(page.tags) == {"table", "thead", "tbody", "tr", "th", "td", "em"}


@every_name
def test_markdown_lines_show_names_as_they_are(name: str) -> None:
    for text, tags in ((f"# Of {escape.markdown(name)}", {"h1"}), (f"- {escape.markdown_note(name)}", {"ul", "li"})):
        page = Words(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text))
        expected = squeezed(escape.one_line(name))
        if text.startswith("#"):
            assert squeezed(page.text) == squeezed(f"Of {expected}")
            assert set(page.tags) == tags
        else:
            assert set(page.tags) <= tags | {"code"}
            assert "code" in page.tags or squeezed(page.text) == expected


def test_code_in_a_note_stays_code() -> None:
    assert escape.markdown_note("run `vcbench a_b *`; [x] *y*") == "run `vcbench a_b *`; [x] \\*y\\*"


@every_name
def test_latex_shows_names_as_they_are(name: str) -> None:
    escaped = escape.tex(name)
    assert not escaped.startswith(("[", "*"))
    back = {written: character for character, written in escape.TEX.items()}
    token = re.compile("|".join(re.escape(written) for written in sorted(back, key=len, reverse=True)) + r"|\{\}|.")
    read, place = "", 0
    while place < len(escaped):
        found = token.match(escaped, place)
        assert found is not None
        assert found[0] in back or found[0] == "{}" or found[0] not in "\\{}&%$#_^", (escaped, found[0])
        read += back.get(found[0], "" if found[0] == "{}" else found[0])
        place = found.end()
    dashes = {"\u2013": "--", "\u00a0": "~"}
    plain = "".join(dashes.get(character, character) for character in escape.one_line(name).replace("->", "→"))
    assert "".join(dashes.get(character, character) for character in read) == plain


@every_name
def test_csv_cells_compute_nothing_and_hold_the_name(name: str) -> None:
    text = escape.csv(pd.DataFrame({"system": pd.Series([name, "b"], dtype=object), "mean": [-1.5, float("nan")]}))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["system", "mean"]
    assert rows[2] == ["b", ""]
    assert rows[1][1] == "-1.5"
    assert not rows[1][0].lstrip().startswith(("=", "+", "-", "@"))
    assert rows[1][0].removeprefix("'") == escape.visible(name).removeprefix("'")


@given(st.lists(st.one_of(st.none(), st.booleans(), st.text(max_size=5)), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_csv_keeps_the_other_values(values: list[object]) -> None:
    text = escape.csv(pd.DataFrame({"a": pd.Series(values, dtype=object), "b": 1}))
    assert [row[1] for row in csv.reader(io.StringIO(text, newline=""))] == ["b", *["1"] * len(values)]
