"""Any settings: they are taken, or a sentence names the key or the file and what is allowed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tomli_w
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.damage import VALUES, damaged_bytes, damaged_document
from tests.support.outcome import refusal
from vcbench.run import config

GOOD = config.resolve("quick")
LONGEST = 4000  # characters of a message


def keys_of(values: dict[str, Any], where: str = "") -> list[str]:
    """Every key, tables too, with dots."""
    found = []
    for key, value in values.items():
        found.append(f"{where}{key}")
        if isinstance(value, dict):
            found += keys_of(value, f"{where}{key}.")
    return found


KEYS = [
    *keys_of(config.plain(config.parse(GOOD))), "systems.flowvc.training", "systems.flowvc.training.steps", "systems.flowvc.system",
    "systems.again_vc.hidden", "systems.new", "metrics.new", "metrics.word_error_rate.language", "a.b.c", "corpus", "trials",
]  # fmt: skip


def told(error: Exception | None) -> None:
    if error is not None:
        assert 10 < len(str(error)) < LONGEST
        str(error).encode("utf-8", "backslashreplace")


def put(values: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with one value replaced; tables that are missing on the way are made."""
    values = copy.deepcopy(values)
    *way, last = key.split(".")
    table = values
    for part in way:
        if not isinstance(table.get(part), dict):
            table[part] = {}
        table = table[part]
    table[last] = value
    return values


@settings(max_examples=60, deadline=None)
@given(key=st.sampled_from(KEYS), value=st.sampled_from(VALUES))
def test_a_value_of_another_type(key: str, value: Any) -> None:
    told(refusal(config.parse, put(GOOD, key, copy.deepcopy(value))))


@settings(max_examples=40, deadline=None)
@given(values=damaged_document(GOOD))
def test_tables_are_damaged(values: Any) -> None:
    if isinstance(values, dict):
        told(refusal(config.parse, values))


@settings(max_examples=40, deadline=None)
@given(content=damaged_bytes(tomli_w.dumps(GOOD).encode()))
@example(content=b"a = " + b"[" * 5000)
@example(content=b"seed = 1979-05-27T07:32:00Z")
@example(content=b"seed = " + b"9" * 5000)
@example(content=b"seed = nan")
@example(content=b'[systems]\n"\\ud800" = {}')
@example(content=b"\xff")
def test_a_file_is_damaged(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "mine.toml"
    path.write_bytes(content)
    told(refusal(lambda: config.parse(config.resolve("quick", [path]))))


@settings(max_examples=40, deadline=None)
@given(
    key=st.one_of(st.sampled_from(KEYS), st.text(max_size=12)),
    value=st.one_of(st.sampled_from([str(value)[:500] for value in VALUES]), st.text(max_size=20)),
)
@example(key="seed", value="{")
@example(key='"', value="1")
@example(key="systems.flowvc", value="1")
@example(key="\ud800", value="\udfff")
@example(key="a." * 3000, value="1")
def test_an_assignment(key: str, value: str) -> None:
    told(refusal(lambda: config.parse(config.resolve("quick", None, [f"{key}={value}"]))))
