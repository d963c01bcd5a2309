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
        no_preference: whether a preference test offers "no preference".
        contrast: the primary comparison, two rows; ``None``: all pairs are equal.
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
    contrast: tuple[str, str] | None = None
    language: str = "en"
    consent: str | None = None
    collector: str | None = None


def pair(names: str | None) -> tuple[str, str] | None:
    """Two names, separated by a comma.

    Raises:
        ListeningError: not exactly two names.
    """
    if names is None:
        return None
    first, *rest = names.split(",")
    if len(rest) != 1:
        raise ListeningError(f"A contrast names two rows, for example again_vc,adain_vc; received {names!r}.")
    return first, rest[0]
