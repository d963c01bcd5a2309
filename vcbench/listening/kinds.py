"""The kinds of listening test, their rating scales, and presets of whole protocols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from vcbench.base.errors import UserError

SUFFIX = ".key"  # by default the key is next to the bundle, with this added to its name
MAXIMUM_SIGNALS = 12  # on a MUSHRA page, hidden reference and anchors included (BS.1534-3)
MAXIMUM_SECONDS = 12.0  # of a MUSHRA item (BS.1534-3)
SET_SIZE = 4  # clips on a page of best-worst scaling
CLIP_OF_PAGE = "clip"  # in `Kind.reference`: one of the page's own clips, once more

Answer = Literal["category", "choice", "comparison", "best-worst", "sliders"]


class ListeningError(UserError):
    """A listening test that cannot be built, served or read as asked."""


@dataclass(frozen=True)
class Kind:
    """A kind of test.

    Attributes:
        answer: how a page is answered. ``category``: its clip is put in a category. ``choice``: one of two clips is chosen.
            ``comparison``: one number says how much better B is than A. ``best-worst``: the best and the worst clip of a
            set are chosen. ``sliders``: each clip has a slider.
        values: the allowed ratings of a clip. A choice gives 1 to the chosen clip and 0 to the other; a comparison gives
            its number to B and the opposite one to A; the best clip gets 1, the worst -1, the rest of the set 0.
        rows: reference rows that are rated along with the systems, if the run has them.
        reference: the field of the trial that names the recording to compare with, `CLIP_OF_PAGE`, or ``None`` for none.
        no_preference: whether the test can be built so that neither clip need be chosen.
    """

    answer: Answer
    values: tuple[int, ...]
    rows: tuple[str, ...] = ()
    reference: str | None = None
    no_preference: bool = False

    @property
    def pairs(self) -> bool:
        """Whether a page compares two clips, so that an item has several pages with the same system."""
        return self.answer in ("choice", "comparison")

    @property
    def discriminates(self) -> bool:
        """Whether the question has a right answer: which clip is the one played as X."""
        return self.reference == CLIP_OF_PAGE

    def allows(self, ratings: tuple[int | None, ...], no_preference: bool) -> bool:
        """Whether a page's clips, in the order shown, may have these ratings together."""
        given = [rating for rating in ratings if rating is not None]
        if not given or self.answer in ("category", "sliders"):
            return True
        if len(given) < len(ratings):
            return self.answer == "best-worst" and sorted(map(abs, given)) in ([1], [0, 1])
        if self.answer == "choice":
            return sum(given) == 1 or (no_preference and sum(given) == 0)
        if self.answer == "comparison":
            return sum(given) == 0
        return sorted(given) == [-1, *[0] * (len(given) - 2), 1]


NATURAL = ("source", "oracle", "world")
FIVE = tuple(range(1, 6))

KINDS = {
    # Absolute category rating of naturalness (ITU-T P.800).
    "mos": Kind("category", FIVE, NATURAL),
    # Absolute category rating of quality, in the words of ITU-T P.808.
    "acr": Kind("category", FIVE, NATURAL),
    # Degradation category rating (ITU-T P.800, annex D).
    "dmos": Kind("category", FIVE, ("world",), "target_utterance"),
    # Same or different, sure or not: the Voice Conversion Challenge (Wester et al. 2016; Zhao et al. 2020).
    "similarity-mos": Kind("category", tuple(range(1, 5)), ("source", "target", "world"), "enrolment"),
    # Similarity on five points (Jia et al. 2018).
    "smos": Kind("category", FIVE, ("source", "target", "world"), "enrolment"),
    # Comparison category rating (ITU-T P.800, annex E).
    "cmos": Kind("comparison", tuple(range(-3, 4))),
    "ab": Kind("choice", (0, 1), no_preference=True),
    # Which of two is closer to the target.
    "preference": Kind("choice", (0, 1), (), "enrolment", no_preference=True),
    # Which of two is X (Munson and Gardner 1950).
    "abx": Kind("choice", (0, 1), (), CLIP_OF_PAGE),
    # Best-worst scaling (Louviere et al. 2015).
    "bws": Kind("best-worst", (-1, 0, 1)),
    # ITU-R BS.1534-3.
    "mushra": Kind("sliders", tuple(range(101)), ("world",), "target_utterance"),
}

SHORT_NAMES = {"similarity": "similarity-mos"}


@dataclass(frozen=True)
class Preset:
    """A published protocol.

    Attributes:
        tests: its tests; more than one are built side by side, from the same trials.
        options: what it asks for unless the user says otherwise.
    """

    tests: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)


PRESETS = {
    # Zhao et al. 2020: naturalness, and whether the speaker is the same, of the same recordings.
    "vcc2020": Preset(("mos", "similarity-mos")),
    # ITU-T P.808 and its toolkit (Naderi and Cutler 2020): a trap and a clip with a known answer for each listener, 10 votes.
    "p808": Preset(("acr",), {"traps": 1, "gold": 1, "per_item": 10}),
}


def find_kind(name: str) -> str:
    """The key in KINDS that `name` means.

    Raises:
        ListeningError: unknown test.
    """
    name = SHORT_NAMES.get(name, name)
    if name not in KINDS:
        raise ListeningError(f"Unknown test {name!r}; allowed: {_list(KINDS)}; presets: {_list(PRESETS)}.")
    return name


def find_tests(name: str) -> Preset:
    """The preset called `name`, or the test of that name alone.

    Raises:
        ListeningError: unknown test.
    """
    return PRESETS[name] if name in PRESETS else Preset((find_kind(name),))


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
