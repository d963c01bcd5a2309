"""The kinds of listening test and their rating scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vcbench.base.errors import UserError

SUFFIX = ".key"  # by default the key is next to the bundle, with this added to its name
MAXIMUM_SIGNALS = 12  # on a MUSHRA page, hidden reference and anchors included (BS.1534-3)
MAXIMUM_SECONDS = 12.0  # of a MUSHRA item (BS.1534-3)


class ListeningError(UserError):
    """A listening test that cannot be built, served or read as asked."""


@dataclass(frozen=True)
class Kind:
    """A kind of test.

    Attributes:
        values: the allowed ratings; in a preference test, 1 for the chosen clip and 0 for the other.
        rows: reference rows that are rated along with the systems, if the run has them.
        clips: how many clips of an item a page shows: one, a pair, or all of them with anchors.
        reference: the field of the trial that names the recording to compare with; ``None`` for none.
    """

    values: tuple[int, ...]
    rows: tuple[str, ...]
    clips: Literal["one", "pair", "all"]
    reference: str | None


KINDS = {
    "mos": Kind(
        tuple(range(1, 6)), ("source", "oracle", "world"), "one", None
    ),  # ITU-T P.800, absolute category rating
    "similarity-mos": Kind(tuple(range(1, 5)), ("source", "target", "world"), "one", "enrolment"),  # VCC's scale
    "preference": Kind((0, 1), (), "pair", "enrolment"),
    "mushra": Kind(tuple(range(101)), ("world",), "all", "target_utterance"),  # ITU-R BS.1534-3
}

SHORT_NAMES = {"similarity": "similarity-mos"}


def find_kind(name: str) -> str:
    """The key in KINDS that `name` means.

    Raises:
        ListeningError: unknown test.
    """
    name = SHORT_NAMES.get(name, name)
    if name not in KINDS:
        raise ListeningError(f"Unknown test {name!r}; allowed: {', '.join(KINDS)}.")
    return name
