"""Damage for the tests of readers: a valid file, cut, emptied, with other types, deep nesting, surrogates or huge numbers."""

from __future__ import annotations

import copy
import csv
import io
import json
from typing import Any

from hypothesis import strategies as st

PIECES = [
    b",", b"\n", b'"', b"\r", b"\x00", b"\xff", b"\xed\xa0\x80", b",,", b"\n\n", b";", b"\t", b"[", b"{", b"}", b"null", b"NaN",
    b"-Infinity", b"1e999", b"9" * 5000, b"\\ud800", b"[" * 2000, b'{"a":' * 2000, b"\xef\xbb\xbf", b"true", b"=1+1",
]  # fmt: skip
DEEP: Any = None
for _ in range(100):
    DEEP = [DEEP]
VALUES = [
    None, True, False, 0, -1, 1, 2.5, 10**30, 10**400, -(10**18), 1e308, float("nan"), float("inf"), "", " ", "1", "nan", "1e999",
    "9" * 5000, "\ud800", "a\udfffb", "\x00", "a\nb", "²", "٣", "[[[", "x" * 300, [], {}, [[]], [None], {"": None}, ["1", "2"],
    {"\ud800": 1}, DEEP, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "mushra", "likert_", "preference", "listener",
]  # fmt: skip
CELLS = [value for value in VALUES if isinstance(value, str) and "\ud800" not in value and "\udfff" not in value]
CELLS += [
    "-1",
    "0",
    "1e308",
    "-inf",
    "1_0",
    "0x1",
    "[4]",
    "[[4]]",
    "['",
    '"',
    '""',
    ";",
    ",",
    "\r",
    "\u2028",
    "NA",
    "None",
    "7.0",
    ".0",
]


@st.composite
def damaged_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes cut out, put in or replaced; or only the beginning."""
    content = bytearray(good)
    if draw(st.booleans()):
        del content[draw(st.integers(0, len(content))) :]
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        dropped = draw(st.integers(0, 12))
        content[place : place + dropped] = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))
    return bytes(content)


@st.composite
def damaged_document(draw: st.DrawFn, good: Any) -> Any:
    """JSON with a few values replaced, keys renamed, or entries dropped or doubled, at any depth."""
    document = copy.deepcopy(good)
    for _ in range(draw(st.integers(1, 3))):
        document = _damaged(draw, document)
    return document


def _damaged(draw: st.DrawFn, value: Any) -> Any:
    """`value`, damaged here or further down."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 5)) == 0:
        return copy.deepcopy(draw(st.sampled_from(VALUES)))
    places = list(value) if isinstance(value, dict) else list(range(len(value)))
    place = draw(st.sampled_from(places))
    action = draw(st.sampled_from(["go on", "go on", "go on", "go on", "drop", "double"]))
    if action == "drop":
        del value[place]
    elif action == "go on":
        value[place] = _damaged(draw, value[place])
    elif isinstance(value, list):
        value.append(copy.deepcopy(value[place]))
    else:
        value[draw(st.sampled_from(["", "\ud800", "id", "_default"]))] = value[place]
    return value


def as_json(document: Any) -> bytes:
    """JSON of any document, surrogates and NaN included."""
    return json.dumps(document).encode()


@st.composite
def damaged_table(draw: st.DrawFn, good: str, separator: str = ",") -> bytes:
    """CSV with cells replaced, dropped or added, rows dropped or doubled, and columns renamed."""
    rows = list(csv.reader(io.StringIO(good, newline=""), delimiter=separator))
    for _ in range(draw(st.integers(1, 4))):
        if not rows:
            break
        row = draw(st.integers(0, len(rows) - 1))
        place = draw(st.integers(0, max(0, len(rows[row]) - 1)))
        action = draw(
            st.sampled_from(["replace", "replace", "replace", "drop cell", "add cell", "drop row", "double row"])
        )
        if action == "replace":
            rows[row][place : place + 1] = [draw(st.one_of(st.sampled_from(CELLS), st.sampled_from(rows[0] or [""])))]
        elif action == "drop cell":
            del rows[row][place : place + 1]
        elif action == "add cell":
            rows[row].insert(place, draw(st.sampled_from(CELLS)))
        elif action == "drop row":
            del rows[row]
        else:
            rows.append(list(rows[row]))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")
