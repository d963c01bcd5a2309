"""What a listening test asks, of which clips: decided before anything is written, from the run and a seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vcbench import audio
from vcbench.errors import UserError
from vcbench.metric import Conversion

if TYPE_CHECKING:
    from vcbench.run import Run

ANCHOR_35, ANCHOR_70 = "anchor35", "anchor70"  # what a page holds beside rows of the run
MAXIMUM_SIGNALS = 12  # on a MUSHRA page, hidden reference and anchors included (BS.1534-3)
OTHER_WORDS = "How close are the voice and the quality of each recording to the reference's, whatever is said? 100: no difference."
MAXIMUM_SECONDS = 12.0  # of a MUSHRA item (BS.1534-3)


class ListeningError(UserError):
    """A listening test that cannot be built as asked."""


@dataclass(frozen=True)
class Kind:
    """A kind of test.

    Attributes:
        question: put to the listener on every page.
        scale: (value, label) from the lowest; from 0 to 100, the middles of five equal parts.
        rows: reference rows of the run that are rated beside the systems, where the run has them.
        together: whether a page holds all of an item's clips, or one.
        reference: the field of the trial that names the recording beside the clips; ``None`` for none.
    """

    question: str
    scale: tuple[tuple[int, str], ...]
    rows: tuple[str, ...]
    together: bool
    reference: str | None


KINDS = {
    "mos": Kind(
        "How natural does this recording sound?",  # ITU-T P.800, absolute category rating
        ((1, "Bad"), (2, "Poor"), (3, "Fair"), (4, "Good"), (5, "Excellent")),
        ("source", "oracle", "world"),
        together=False,
        reference=None,
    ),
    "similarity": Kind(
        "Could the two recordings be of the same speaker?",  # the scale of the Voice Conversion Challenges
        (
            (1, "Different, absolutely sure"),
            (2, "Different, not sure"),
            (3, "Same, not sure"),
            (4, "Same, absolutely sure"),
        ),
        ("source", "target", "world"),
        together=False,
        reference="enrolment",
    ),
    "mushra": Kind(
        "How close is each recording to the reference? 100: no difference.",
        ((10, "Bad"), (30, "Poor"), (50, "Fair"), (70, "Good"), (90, "Excellent")),
        ("world",),
        together=True,
        reference="target_utterance",
    ),
}


@dataclass(frozen=True)
class Page:
    """What is rated at once.

    Attributes:
        trial, condition: of the run.
        roles: what is rated: rows of the run, and on a MUSHRA page ANCHOR_35 and ANCHOR_70.
        reference: id of the utterance that stands beside them; ``None`` for none.
    """

    trial: str
    condition: str
    roles: tuple[str, ...]
    reference: str | None


@dataclass(frozen=True)
class Design:
    """A test's pages.

    Attributes:
        kind: key in KINDS.
        name: as it is reported: ``mushra-like`` where a reference has other words than its clips, else `kind`.
        rows: systems, then reference rows.
        volume: id of an utterance that nobody rates, to set the volume by.
    """

    kind: str
    name: str
    rows: tuple[str, ...]
    pages: tuple[Page, ...]
    volume: str

    @property
    def question(self) -> str:
        return KINDS[self.kind].question if self.name == self.kind else OTHER_WORDS


def plan(run: Run, kind: str, items: int, seed: int, rows: Sequence[str] | None = None) -> Design:
    """Choose items, the conditions in turn, among trials that every rated row has converted.

    Args:
        kind: key in KINDS.
        items: trials in the test.
        rows: what is rated; by default every system and the test's own reference rows.

    Raises:
        ListeningError: an unknown test or row, no conversions, fewer than two systems, or too few common trials.
    """
    if kind not in KINDS:
        raise ListeningError(f"There is no test {kind!r}; allowed: {', '.join(KINDS)}.")
    test = KINDS[kind]
    converted = by_row(run.conversions)
    chosen = _rows(run, test, converted, rows)
    usable = [trial for trial in run.trials.itertuples() if all(trial.trial in converted[row] for row in chosen)]
    if test.together:
        usable = [trial for trial in usable if _seconds(run, trial, converted, chosen) <= MAXIMUM_SECONDS]
    if not 1 <= items <= len(usable):
        limit = f" and last at most {MAXIMUM_SECONDS:.0f} s" if test.together else ""
        raise ListeningError(
            f"{items} items were asked for; {len(usable)} of the run's {len(run.trials)} trials were converted by all of "
            f"{', '.join(chosen)}{limit}. Ask for 1 to {len(usable)} items, or leave out the row that failed most."
        )
    random = np.random.default_rng(seed)
    picked = _in_turn(usable, items, random)
    pages = tuple(page for trial in picked for page in _pages(test, trial, chosen))
    other_words = kind == "mushra" and not all(same_words(run, trial) for trial in picked)
    order = random.permutation(len(pages))
    return Design(
        kind,
        "mushra-like" if other_words else kind,
        tuple(chosen),
        tuple(pages[index] for index in order),
        volume=picked[0].enrolment[-1],
    )


def by_row(conversions: Sequence[Conversion]) -> dict[str, dict[str, Conversion]]:
    """Conversions by row and trial."""
    result: dict[str, dict[str, Conversion]] = {}
    for conversion in conversions:
        result.setdefault(conversion.system, {})[conversion.trial] = conversion
    return result


def same_words(run: Run, trial: Any) -> bool:
    """Whether the target's own recording has the words of the source, as far as texts are known."""
    texts = [run.utterance(identity).text for identity in (trial.source, trial.target_utterance)]
    words = [re.findall(r"\w+", text.casefold()) if text else None for text in texts]
    return words[0] is not None and words[0] == words[1]


def _seconds(run: Run, trial: Any, converted: dict[str, dict[str, Conversion]], rows: Sequence[str]) -> float:
    """Of the longest recording of an item."""
    target = run.utterance(trial.target_utterance)
    own = target.span[1] - target.span[0] if target.span else audio.inspect(target.path).seconds
    return max(own, *(audio.inspect(converted[row][trial.trial].path).seconds for row in rows))


def _rows(run: Run, test: Kind, converted: dict[str, Any], rows: Sequence[str] | None) -> list[str]:
    if not converted:
        raise ListeningError(f"{run.folder} has no conversions. Run `vcbench run` or `vcbench convert` for it first.")
    unknown = [row for row in rows or () if row not in run.rows]
    if unknown:
        raise ListeningError(f"The run has no row {', '.join(unknown)}; it has {', '.join(run.rows)}.")
    wanted = [*run.systems, *test.rows] if rows is None else rows
    chosen = [row for row in run.rows if row in wanted and (row in converted or rows is not None)]
    systems = [row for row in chosen if row in run.systems and row in converted]
    if len(systems) < 2:
        raise ListeningError(
            f"A listening test compares at least two systems; converted here: {', '.join(systems) or 'none'}."
        )
    without = [row for row in chosen if row not in converted]
    if without:
        raise ListeningError(f"Nothing was converted by {', '.join(without)}. Leave it out.")
    signals = len(chosen) + 3
    if test.together and signals > MAXIMUM_SIGNALS:
        raise ListeningError(
            f"A MUSHRA page holds at most {MAXIMUM_SIGNALS} signals; {len(chosen)} rows, the hidden reference and two "
            f"anchors are {signals}. Name fewer rows."
        )
    return chosen


def _in_turn(trials: Sequence[Any], count: int, random: np.random.Generator) -> list[Any]:
    """`count` trials at random, one of each condition in turn."""
    table = pd.Series([trial.condition for trial in trials])
    shuffled = table.sample(frac=1, random_state=random)
    turn = shuffled.groupby(shuffled).cumcount()
    picked = turn.sort_values(kind="stable").index[:count]
    return [trials[index] for index in picked]


def _pages(test: Kind, trial: Any, rows: Sequence[str]) -> list[Page]:
    reference = None
    if test.reference is not None:
        named = getattr(trial, test.reference)
        reference = named if isinstance(named, str) else named[0]
    if test.together:
        return [Page(trial.trial, trial.condition, (*rows, ANCHOR_35, ANCHOR_70), reference)]
    return [Page(trial.trial, trial.condition, (row,), reference) for row in rows]
