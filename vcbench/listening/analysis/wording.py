"""What reports say of each kind of test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Wording(NamedTuple):
    """A test in words.

    Attributes:
        asked: what listeners did, as in a paper; the start of a sentence.
        axis: of the plot.
        title: of the leaderboard's column.
        decimals: of means and differences.
        worth: a difference that a test should be able to detect.
        percent: whether means are shares.
    """

    asked: str
    axis: str
    title: str
    decimals: int
    worth: float
    percent: bool = False


WORDINGS = {
    "mos": Wording(
        "Naturalness was rated from 1 to 5 (absolute category rating, ITU-T P.800)",
        "naturalness (1 to 5)", "Naturalness, rated (1-5)", 2, 0.5,
    ),
    "acr": Wording(
        "Overall quality was rated from 1 (bad) to 5 (excellent), the absolute category rating of ITU-T P.808",
        "quality (1 to 5)", "Quality, rated (1-5)", 2, 0.5,
    ),
    "dmos": Wording(
        "Listeners heard a recording of the target and then a clip, and rated the clip's degradation from 1 (very annoying) to 5 "
        "(inaudible; degradation category rating, ITU-T P.800)",
        "degradation (1 to 5, inaudible)", "Degradation, rated (1-5)", 2, 0.5,
    ),
    "dmos-like": Wording(
        "Listeners heard a recording of the target with other words and then a clip, and rated the clip's degradation from 1 (very "
        "annoying) to 5 (inaudible); this is like the degradation category rating of ITU-T P.800, which has the same words in both",
        "degradation (1 to 5, inaudible)", "Degradation, rated (1-5)", 2, 0.5,
    ),
    "similarity-mos": Wording(
        "Listeners rated from 1 (different) to 4 (same) whether a clip and a recording of the target are of the same "
        "speaker, as in the Voice Conversion Challenge",
        "same speaker (1 to 4)", "Same speaker, rated (1-4)", 2, 0.5,
    ),
    "smos": Wording(
        "Listeners rated from 1 (not at all similar) to 5 (extremely similar) how similar the voice of a clip is to that of a "
        "recording of the target",
        "similarity (1 to 5)", "Similarity, rated (1-5)", 2, 0.5,
    ),
    "cmos": Wording(
        "Listeners heard two clips of the same sentence and rated the second against the first from -3 (much worse) to 3 (much "
        "better; comparison category rating, ITU-T P.800)",
        "mean against the others (-3 to 3)", "CMOS against the others (-3 to 3)", 2, 0.5,
    ),
    "ab": Wording(
        "Of two clips of the same sentence, listeners chose the one that sounds more natural",
        "% of comparisons: first, none, second", "Preferred, rated (%)", 3, 0.2, True,
    ),
    "preference": Wording(
        "Of two clips, listeners chose the one whose voice is closer to a recording of the target",
        "% of comparisons: first, none, second", "Preferred voice, rated (%)", 3, 0.2, True,
    ),
    "abx": Wording(
        "Listeners heard clips A and B of two systems and then one of the two again as X, and said which of them X is",
        "% right; 50% is chance", "Told apart, ABX (%)", 3, 0.2, True,
    ),
    "bws": Wording(
        "From sets of clips of the same sentence, listeners chose the best and the worst (best-worst scaling); a clip's score is 1, "
        "-1, or 0 if it is neither",
        "best - worst (-1 to 1)", "Best-worst (-1 to 1)", 2, 0.2,
    ),
    "mushra": Wording(
        "Clips were rated from 0 to 100 against a reference, with a hidden reference and anchors at 3.5 and 7 kHz "
        "(ITU-R BS.1534-3)",
        "rating (0 to 100)", "MUSHRA, rated (0-100)", 1, 10.0,
    ),
    "mushra-like": Wording(
        "Clips were rated from 0 to 100 against a reference with other words, with a hidden reference and anchors at 3.5 and 7 kHz; "
        "this is like MUSHRA, but not MUSHRA",
        "rating (0 to 100), not MUSHRA", "MUSHRA-like, rated (0-100)", 1, 10.0,
    ),
}  # fmt: skip

MANY = 15  # more pairs or means than this are counted in a text, not listed


def some(names: Sequence[str]) -> str:
    """The names; of many, the first."""
    shown = ", ".join(names[:MANY])
    return f"{shown} and {len(names) - MANY} more" if len(names) > MANY else shown
