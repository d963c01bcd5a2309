"""Counted nouns: "1 recording", "2 recordings"."""

from __future__ import annotations


def counted(count: int, noun: str, several: str = "") -> str:
    """A number and what it counts: ``1 trial``, ``1,200 trials``.

    Args:
        several: the plural, where that is not the noun with an s.
    """
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def verb(count: int, one: str = "is", several: str = "are") -> str:
    """The verb's form that goes with a number."""
    return one if count == 1 else several
