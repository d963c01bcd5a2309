"""Counted nouns."""

from __future__ import annotations

import pytest

from vcbench.base.nouns import counted, verb


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 trials are"), (1, "1 trial is"), (2, "2 trials are"), (1200, "1,200 trials are")]
)
def test_nouns_and_verbs_follow_their_number(count: int, text: str) -> None:
    assert f"{counted(count, 'trial')} {verb(count)}" == text


def test_an_unusual_plural() -> None:
    assert (counted(1, "corpus", "corpora"), counted(3, "corpus", "corpora")) == ("1 corpus", "3 corpora")
