"""Numbers agree with what they count: "1 trial", not "1 trials" (`vcbench.base.nouns`)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_house import CODE, ROOT

NOUNS = (
    "answer|band|byte|cell|channel|clip|column|comparison|conversion|draw|file|frame|generation|item|job|listener|model|page|pair|participant|plot|"
    "rating|recording|reference|result|row|sample|segment|session|sheet|signal|source|speaker|state|step|system|target|text|trap|trial|utterance|value|voice"
)
NO_ADJECTIVE = "between|by|fewer|has|in|is|of|scores|that|use|was"
PLURAL = re.compile(rf" (?!(?:{NO_ADJECTIVE})\b)(?:[a-z-]+ )?(?:{NOUNS})s\b")
CONSTANT = re.compile(r"[A-Z_0-9.]+\b")  # larger than 1, as its definition shows
WORDS = {"purpose", "_size(part)"}  # not a number, and one with a unit


def fixed_plurals(code: str) -> Iterator[str]:
    """Each f-string's number with a plural noun after it, whatever the number is."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant):
                number, found = ast.unparse(value.value), PLURAL.match(str(after.value))
                if found and number not in WORDS and not CONSTANT.match(number):
                    yield f"line {value.lineno}: {{{number}}}{found.group()}"


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_text_has_a_fixed_plural_after_a_number(path: Path) -> None:
    assert list(fixed_plurals(path.read_text())) == []


def test_no_template_has_a_fixed_plural_after_a_number() -> None:
    for path in (ROOT / "vcbench").rglob("*.j2"):
        found = re.findall(rf"\}}\}}{PLURAL.pattern}", path.read_text())
        assert found == [], path.name


def test_a_fixed_plural_is_found() -> None:
    assert list(fixed_plurals('f"{len(rows)} new rows"')) == ["line 1: {len(rows)} new rows"]
    assert list(fixed_plurals("f\"{counted(3, 'row')}, {MOST} rows, {path} has rows\"")) == []
