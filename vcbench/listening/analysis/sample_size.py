"""How many listeners a test needs to find a difference, from the variances of a pilot.

A difference of two systems' means varies with the listeners' own differences, with the items' own differences, and with
what is left of single ratings. With L listeners who rate m of I items of each system, its variance is
c (listener / L + item / I + residual / (L m)); c is 2 for ratings of single clips, and 1 where one answer compares two. The
test compares it with the spread of listeners' means, to which the items' differences add only as far as listeners rate
different items: c (listener + item (1 / m - 1 / I) + residual / m) / L. The power is that of the t test for L divided by
pi / 3: Wilcoxon's test, which the analysis uses, needs that many more listeners for normal differences (Lehmann 1975).
`simulate` checks it with that test.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from vcbench.base.nouns import counted
from vcbench.listening.analysis.comparisons import signed_ranks
from vcbench.listening.analysis.mixed_model import variances
from vcbench.listening.analysis.statistics import points
from vcbench.listening.kinds import KINDS, ListeningError

MOST_LISTENERS = 5000
MOST_SYSTEMS = 8  # of a pilot; more would only take longer
WILCOXON = math.pi / 3


class Variances(NamedTuple):
    """Of ratings: how much a listener's, and an item's, opinion of one system varies apart from the others, and the rest."""

    listener: float
    item: float
    residual: float


class Asked(NamedTuple):
    """What a test should find.

    Attributes:
        test: key in `KINDS`.
        difference: of two systems' means; in a choice, of the shares; with a right answer, of its share and one half.
        items: trials.
        each: how many clips of each system, or of each pair, a listener rates.
        comparisons: how many primary comparisons there are; the first of Holm's steps is alpha divided by them.
    """

    test: str
    difference: float
    items: int
    each: int
    power: float = 0.8
    alpha: float = 0.05
    comparisons: int = 1


def from_pilot(table: pd.DataFrame, test: str) -> Variances:
    """The variances of a pilot's ratings.

    Args:
        table: of `vcbench.listening.answers.reading.Reading`.

    Raises:
        ListeningError: too few ratings.
    """
    rated = points(table, test)
    kind = KINDS[test]
    if kind.pairs:
        rated = _one_per_page(rated, test)
    rated = rated[rated["system"].isin(list(dict.fromkeys(rated["system"]))[:MOST_SYSTEMS])]
    names = {name: rated[name].astype(str) + "\x1f" + rated["system"].astype(str) for name in ("listener", "item")}
    shared = [] if kind.pairs else ["listener", "item"]
    components = [*shared, "own_listener", "own_item"]
    data = rated.assign(own_listener=names["listener"], own_item=names["item"])
    least = max((data[name].nunique() for name in components), default=0)
    found = variances(data, components) if len(data) > least + data["system"].nunique() else None
    if found is None:
        raise ListeningError(
            f"{counted(len(data), 'rating')} by {counted(rated['listener'].nunique(), 'listener')} of "
            f"{counted(rated['item'].nunique(), 'item')} are too few to "
            "estimate variances. Give a larger pilot, or --variances."
        )
    return Variances(found["own_listener"], found["own_item"], found["residual"])


def _one_per_page(rated: pd.DataFrame, test: str) -> pd.DataFrame:
    """The answer about each page; the pair as its system."""
    first = rated[rated["system"] == rated.groupby("page")["system"].transform("min")]
    pair = first["page"].map(rated.groupby("page")["system"].agg(lambda names: "\x1f".join(sorted(set(names)))))
    worth = first["rating"] * (2 if KINDS[test].answer == "choice" and not KINDS[test].discriminates else 1)
    return first.assign(system=pair, rating=worth)


def _errors(asked: Asked, spread: Variances, listeners: float) -> tuple[float, float]:
    """The standard error of the difference, and what the spread of listeners' means shows of it."""
    twice = 1 if KINDS[asked.test].pairs else 2
    own = spread.listener + spread.residual / asked.each
    seen = own + spread.item * (1 / asked.each - 1 / asked.items)
    return math.sqrt(twice * (own / listeners + spread.item / asked.items)), math.sqrt(twice * seen / listeners)


def power(asked: Asked, spread: Variances, listeners: int) -> float:
    """How likely that many listeners find the difference, with its sign."""
    effective = listeners / WILCOXON
    if effective <= 1 or 2.0 ** (1 - listeners) > asked.alpha / asked.comparisons:  # the smallest p-value that there is
        return 0.0
    error, seen = _errors(asked, spread, effective)
    limit = stats.t.ppf(1 - asked.alpha / asked.comparisons / 2, effective - 1) * seen / error
    shift = abs(asked.difference) / error
    return float(stats.nct.sf(limit, effective - 1, shift))


def listeners_needed(asked: Asked, spread: Variances) -> int:
    """The fewest listeners with that power, such that every clip gets equally many ratings.

    Raises:
        ListeningError: impossible numbers, or no number of listeners is enough.
    """
    _refuse(asked, spread)
    step = asked.items // math.gcd(asked.items, asked.each)
    reached = [count for count in _tried(step) if power(asked, spread, count) >= asked.power]
    if not reached:
        limit = _errors(asked, spread, MOST_LISTENERS)[0]
        raise ListeningError(
            f"{MOST_LISTENERS} listeners would not find a difference of {asked.difference:g} with a power of {asked.power:g}: with "
            f"{counted(asked.items, 'item')} an error of {limit:.2g} is left. Take more items."
        )
    low, high = max(0, reached[0] // step // 2), reached[0] // step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(asked, spread, middle * step) >= asked.power else (middle, high)
    return high * step


def _tried(step: int) -> list[int]:
    """Doubling numbers of listeners."""
    counts = [step * 2**double for double in range(14)]
    return [count for count in counts if 2 <= count <= MOST_LISTENERS]


def _refuse(asked: Asked, spread: Variances) -> None:
    if asked.difference == 0 or not 0 < asked.power < 1 or not 0 < asked.alpha < 1 or asked.comparisons < 1:
        raise ListeningError(
            f"A difference of {asked.difference:g}, a power of {asked.power:g}, an alpha of {asked.alpha:g} and "
            f"{counted(asked.comparisons, 'comparison')} were asked for; the difference must not be 0, power "
            f"and alpha are between 0 and 1, and there is at "
            "least 1 comparison."
        )
    if not 1 <= asked.each <= asked.items or asked.items < 2:
        raise ListeningError(
            f"{counted(asked.items, 'item')}, of which a listener rates {asked.each}, were asked for; there are "
            "at least 2, and a listener rates from 1 to all of them."
        )
    if min(spread) < 0 or sum(spread) == 0:
        raise ListeningError(
            f"The variances are {', '.join(f'{one:g}' for one in spread)}; none is below 0, and one is above."
        )


def simulate(asked: Asked, spread: Variances, listeners: int, tests: int, seed: int = 0) -> float:
    """The share of `tests` simulated tests with normal ratings in which Wilcoxon's test finds the difference, with its sign."""
    random = np.random.default_rng(seed)
    twice = math.sqrt(1 if KINDS[asked.test].pairs else 2)
    deviations = [twice * math.sqrt(one) for one in spread]
    items = np.arange(listeners * asked.each).reshape(listeners, asked.each) % asked.items
    found = 0
    for _ in range(tests):
        own = asked.difference + random.normal(0, deviations[0], listeners)
        means = own + random.normal(0, deviations[1], asked.items)[items].mean(1)
        means += random.normal(0, deviations[2] / math.sqrt(asked.each), listeners)
        right = means.mean() * asked.difference > 0
        found += right and signed_ranks(means)["p"] <= asked.alpha / asked.comparisons
    return found / tests
