"""`sentences.txt`: the sentences, and which of them every voice speaks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

POOL = Path(__file__).with_name("sentences.txt")
PARALLEL = 20
STAR = "* "


@dataclass(frozen=True)
class Pool:
    """Attributes:

    parallel: (held out, text) of what everyone says.
    others: texts that are spread over the speakers.
    """

    parallel: list[tuple[bool, str]]
    others: list[str]


def read_pool() -> Pool:
    lines = [line.strip() for line in POOL.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    return Pool([(line.startswith(STAR), line.removeprefix(STAR)) for line in lines[:PARALLEL]], lines[PARALLEL:])
