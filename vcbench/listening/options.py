"""Options of a listening test."""

from __future__ import annotations

from vcbench.base.settings import Strict
from vcbench.listening.kinds import ListeningError


class Options(Strict):
    """Options of a test.

    Attributes:
        items: trials in the test, not counting those of training and gold pages.
        condition: use trials of this condition only; ``None``: alternate between conditions.
        listeners, per_item: `per_item` of the listeners rate each clip.
        seed: decides the choice of trials, their order and the sheets.
        rows: the rows to rate; by default every system and the reference rows of the test.
        training: trials on the practice pages at the start, which do not count.
        traps: attention checks per listener: pages on which a voice says what to answer.
        gold: pages per listener with a known right answer.
        no_preference: whether a test in which one of two clips is chosen offers "no preference".
        contrast: the primary comparisons: its first row with each of the others; ``None``: all pairs are equal.
        language: of webMUSHRA's configurations, and of the page until the listener chooses one.
        consent: the consent form; by default a template to fill in.
        collector: URL that the page posts answers to; ``None``: listeners download them, or `listen serve` collects them.
    """

    items: int = 6
    listeners: int = 20
    per_item: int = 10
    seed: int = 0
    condition: str | None = None
    rows: tuple[str, ...] | None = None
    training: int = 1
    traps: int = 0
    gold: int = 0
    no_preference: bool = False
    contrast: tuple[str, ...] | None = None
    language: str = "en"
    consent: str | None = None
    collector: str | None = None


def contrast(names: str | None) -> tuple[str, ...] | None:
    """Two or more names, separated by commas.

    Raises:
        ListeningError: fewer than two different names, or one twice.
    """
    if names is None:
        return None
    rows = tuple(names.split(","))
    if len(rows) < 2 or len(set(rows)) < len(rows):
        raise ListeningError(
            f"A contrast names two rows, for example again_vc,adain_vc, or one and all that it is compared with; received {names!r}."
        )
    return rows
