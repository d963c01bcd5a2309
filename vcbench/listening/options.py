"""How a listening test is set up."""

from __future__ import annotations

from vcbench.base.settings import Strict
from vcbench.listening.kinds import ListeningError


class Options(Strict):
    """How a test is set up.

    Attributes:
        items: trials in the test, beside those of training and gold pages.
        condition: the one that all of these are of; ``None``: each condition in turn.
        listeners, per_item: every clip is rated by `per_item` of the listeners.
        seed: decides choice, order and sheets.
        rows: what is rated; by default every system and the test's own reference rows.
        training: trials on the pages that come first and count for nothing.
        traps: pages per listener on which a voice says what to answer.
        gold: pages per listener with a known right answer.
        no_preference: whether a preference may be refused.
        contrast: the two rows that the analysis compares first; ``None``: all pairs alike.
        language: of the page, until the listener chooses, and of webMUSHRA's configurations.
        consent: the text to agree to; by default a template to fill in.
        collector: URL that the page sends answers to; ``None``: they are downloaded, or `listen serve` takes them.
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
    """Two names with a comma between them.

    Raises:
        ListeningError: not two.
    """
    if names is None:
        return None
    first, *rest = names.split(",")
    if len(rest) != 1:
        raise ListeningError(f"A contrast is of two rows, as in again_vc,adain_vc; received {names!r}.")
    return first, rest[0]
