"""The design of a listening test: its pages and sheets, decided by the run and a seed before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, permutations
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from vcbench.base.nouns import counted
from vcbench.listening.design.selection import by_row, choose_rows, pick, same_words
from vcbench.listening.design.sets import sets
from vcbench.listening.design.williams import Slot, allot, refuse_impossible, williams
from vcbench.listening.kinds import KINDS, SET_SIZE, Kind, ListeningError, find_kind
from vcbench.listening.options import Options
from vcbench.listening.texts import texts

if TYPE_CHECKING:
    from vcbench.run.run import Run

HIDDEN, ANCHOR_35, ANCHOR_70 = (
    "hidden_reference",
    "anchor35",
    "anchor70",
)  # on a MUSHRA page, along with the rows of the run
TARGET, SOURCE, NOISE = "gold:target", "gold:source", "gold:noise"  # clips with a known right answer
MAXIMUM_TRAINING_PAGES = 6
Purpose = Literal["rated", "training", "trap", "gold"]


@dataclass(frozen=True)
class Page:
    """The clips that are rated together.

    Attributes:
        trial, condition: of the run; empty on a trap page.
        roles: the clips to rate: rows of the run, anchors, gold clips, or ``trap:<place>:<prompt>``.
        reference: id of the utterance to compare them with; ``None`` for none.
        repeated: the role that is played once more, as X; ``None`` for none.
        accepted: on a trap or gold page, the accepted ratings of each role.
    """

    trial: str
    condition: str
    roles: tuple[str, ...]
    reference: str | None
    purpose: Purpose = "rated"
    accepted: tuple[tuple[int, ...], ...] = ()
    repeated: str | None = None

    @property
    def compares(self) -> bool:
        """Whether the page has a recording that nobody rates."""
        return self.reference is not None or self.repeated is not None


class Showing(NamedTuple):
    """A page as one listener sees it: its index, and its roles in the order shown."""

    page: int
    order: tuple[str, ...]


class ListenerSheet(NamedTuple):
    """One listener's pages: training, then rounds, each with every system (or pair) once."""

    training: tuple[Showing, ...]
    rounds: tuple[tuple[Showing, ...], ...]


@dataclass(frozen=True)
class Design:
    """A test's pages and sheets.

    Attributes:
        kind: key in KINDS.
        name: as reported: ``mushra-like`` or ``dmos-like`` if a reference has other words than its clips, else `kind`.
        rows: systems, then reference rows.
        volume: id of an utterance for setting the volume, which nobody rates.
    """

    kind: str
    name: str
    rows: tuple[str, ...]
    pages: tuple[Page, ...]
    sheets: tuple[ListenerSheet, ...]
    volume: str


def plan(run: Run, kind: str, options: Options) -> Design:
    """Choose items among the trials that every rated row has converted, alternating between conditions, and allot them.

    Raises:
        ListeningError: an unknown test, row or condition, no conversions, fewer than two systems, too few common trials, or
            options that `check` refuses.
    """
    kind = find_kind(kind)
    test = KINDS[kind]
    converted = by_row(run.conversions)
    check(kind, options)
    rows = choose_rows(run, test, converted, options.rows)
    random = np.random.default_rng(options.seed)
    picked = pick(run, test, converted, rows, options, random)
    items, practice = picked[: options.items], picked[options.items :][: options.training]
    units = _units(test, rows)
    rated = [_page(test, trial, roles) for roles in units for trial in items]
    volume = picked[0].enrolment[-1]
    training = [_page(test, trial, roles, "training") for roles in units for trial in practice]
    training = [training[index] for index in random.permutation(len(training))[:MAXIMUM_TRAINING_PAGES]]
    checks = [*_traps(kind, options.traps, volume, random)]
    checks += [_gold(kind, number, trial) for number, trial in enumerate(picked[len(picked) - options.gold :])]
    slots = allot(len(units), options.items, options.listeners, options.per_item, options.seed)
    pages = (*rated, *training, *checks)
    sheets = tuple(_sheet(rounds, pages, options.items, random) for rounds in slots)
    other_words = test.reference == "target_utterance" and not all(same_words(run, trial) for trial in picked)
    return Design(kind, f"{kind}-like" if other_words else kind, tuple(rows), pages, sheets, volume)


def check(kind: str, options: Options) -> None:
    """Refuse options that are wrong for any run.

    Raises:
        ListeningError: numbers of listeners and ratings that do not fit, traps or gold clips in a MUSHRA test, or a language
            without a translation.
    """
    if min(options.items, options.training, options.traps, options.gold) < 0 or options.items == 0:
        raise ListeningError(
            f"{counted(options.items, 'item')}, {counted(options.training, 'training trial')}, "
            f"{counted(options.traps, 'trap')} and {counted(options.gold, 'gold page')} "
            "were requested; at least 1 item is needed, and no number may be below 0."
        )
    if KINDS[kind].answer == "sliders" and options.traps + options.gold:
        raise ListeningError(
            "A MUSHRA test takes no traps or gold clips: its hidden reference and anchors do their work. Leave them out."
        )
    if KINDS[kind].answer == "best-worst" and options.traps:
        raise ListeningError("A best-worst test takes no traps: no voice tells which clips to choose. Use gold pages.")
    refuse_impossible(options.items, options.listeners, options.per_item)
    texts(options.language)


def _units(test: Kind, rows: list[str]) -> list[tuple[str, ...]]:
    """The roles on each page of an item."""
    if test.answer == "sliders":
        return [(*rows, HIDDEN, ANCHOR_35, ANCHOR_70)]
    if test.answer == "best-worst":
        return sets(rows, SET_SIZE)
    if test.discriminates:  # the first is X
        return list(permutations(rows, 2))
    return list(combinations(rows, 2)) if test.pairs else [(row,) for row in rows]


def _page(test: Kind, trial: Any, roles: tuple[str, ...], purpose: Purpose = "rated") -> Page:
    if test.discriminates:
        return Page(trial.trial, trial.condition, roles, None, purpose, repeated=roles[0])
    reference = None
    if test.reference is not None:
        named = getattr(trial, test.reference)
        reference = named if isinstance(named, str) else named[0]
    return Page(trial.trial, trial.condition, roles, reference, purpose)


def _traps(kind: str, count: int, reference: str, random: np.random.Generator) -> list[Page]:
    """Pages on which a voice says what to answer."""
    test = KINDS[kind]
    pages = []
    roles: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    for _ in range(count):
        if test.pairs:
            first = int(random.integers(2))
            prompt = "choose_a" if first else "choose_b"
            roles = f"trap:1:{prompt}", f"trap:2:{prompt}"
            accepted = _better(test) if first else _better(test)[::-1]
        else:
            value = int(random.choice(test.values))
            roles, accepted = (f"trap:1:rate_{value}",), ((value,),)
        pages.append(Page("", "", roles, reference if test.reference else None, "trap", accepted))
    return pages


def _gold(kind: str, number: int, trial: Any) -> Page:
    """A page with a known right answer: alternately high and low, within one point of the end of the scale (as in P.808)."""
    test, high = KINDS[kind], number % 2 == 0
    roles: tuple[str, ...]
    accepted: tuple[tuple[int, ...], ...]
    low = SOURCE if test.reference == "enrolment" else NOISE
    if test.answer == "best-worst":
        roles, accepted = (TARGET, low, SOURCE), ((0, 1), (-1,), (0, 1))
    elif test.pairs:
        roles, accepted = (TARGET, low), _better(test)
        if not high:
            roles, accepted = roles[::-1], accepted[::-1] if not test.discriminates else accepted
    else:
        roles, accepted = ((TARGET,), (test.values[-2:],)) if high else ((low,), (test.values[:2],))
    return replace(_page(test, trial, roles, "gold"), accepted=accepted)


def _better(test: Kind) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The accepted ratings of two clips of which the first should be chosen: in a comparison, any in its favour."""
    better = tuple(value for value in test.values if value > 0)
    return better, tuple(-value for value in better) if test.answer == "comparison" else (0,)


def _sheet(rounds: list[list[Slot]], pages: Sequence[Page], items: int, random: np.random.Generator) -> ListenerSheet:
    """One listener's sheet: rated pages as allotted; traps, and gold pages, are spread over them and never first."""
    shown = [[_showing(slot, pages, items) for slot in one] for one in rounds]
    fixed = {
        purpose: [Showing(index, page.roles) for index, page in enumerate(pages) if page.purpose == purpose]
        for purpose in ("training", "trap", "gold")
    }
    for checks in (fixed["trap"], fixed["gold"]):
        _spread(shown, checks, random)
    return ListenerSheet(tuple(fixed["training"]), tuple(tuple(one) for one in shown))


def _spread(rounds: list[list[Showing]], checks: list[Showing], random: np.random.Generator) -> None:
    """Insert one check into each of as many equal parts of the session, at random within the part."""
    places = [(one, place) for one in rounds for place in range(1, len(one) + 1)]
    bounds = np.linspace(0, len(places), len(checks) + 1).round().astype(int)
    last = len(places) - 1
    chosen = [places[min(int(random.integers(low, max(high, low + 1))), last)] for low, high in pairwise(bounds)]
    for (one, place), check in reversed(list(zip(chosen, checks, strict=True))):  # an insertion moves only what follows
        one.insert(place, check)


def _showing(slot: Slot, pages: Sequence[Page], items: int) -> Showing:
    """Order the clips of the page by a Williams square too, so that each is first (or A) equally often."""
    index = slot.unit * items + slot.item
    square = williams(len(pages[index].roles))
    row = square[(slot.repeat + slot.item + slot.unit) % len(square)]
    return Showing(index, tuple(pages[index].roles[place] for place in row))
