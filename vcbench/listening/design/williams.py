"""Who hears what, and in which order: balanced by construction, decided by the seed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vcbench.listening.kinds import ListeningError


class Slot(NamedTuple):
    """One rating: of which unit (a system, or a pair of them), in which item, and the how-manieth of the two (from 0)."""

    unit: int
    item: int
    repeat: int


def williams(count: int) -> list[tuple[int, ...]]:
    """Williams's square over `count` things: rows in which each stands equally often in each place, and each follows
    each other one equally often (once for an even count, of `count` rows; twice for an odd one, of twice as many).
    """
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    rows = [tuple((step + shift) % count for step in zigzag) for shift in range(count)]
    return rows + [row[::-1] for row in rows] if count % 2 and count > 1 else rows


def allot(units: int, items: int, listeners: int, per_item: int, seed: int) -> list[list[list[Slot]]]:
    """For each listener, rounds of slots: a round has every unit once, in the order of a row of a Williams square.

    Every listener has each unit equally often, and never the same unit and item twice; each unit of each item is rated
    by `per_item` listeners. Each row of the square is used equally often, as near as the numbers allow.

    Raises:
        ListeningError: numbers with which that is impossible, and what would be possible.
    """
    refuse_impossible(items, listeners, per_item)
    rounds = items * per_item // listeners  # of each listener
    random = np.random.default_rng(seed)
    square = williams(units)
    unit_labels, item_labels = random.permutation(units), random.permutation(items)
    rows = random.permutation(np.arange(listeners * rounds) % len(square))
    sheets = []
    for listener in range(listeners):
        mine = np.arange(listener * rounds, (listener + 1) * rounds)
        # Item (count + unit * rounds) % items: over all counts, every unit meets every item `per_item` times.
        counts = [random.permutation(mine) for _ in range(units)]
        sheets.append(
            [
                [
                    Slot(
                        int(unit_labels[unit]),
                        int(item_labels[(counts[unit][turn] + unit * rounds) % items]),
                        int(counts[unit][turn] // items),
                    )
                    for unit in square[rows[mine[turn]]]
                ]
                for turn in range(rounds)
            ]
        )
    return sheets


def refuse_impossible(items: int, listeners: int, per_item: int) -> None:
    """Refuse numbers that no sheets can keep, and say what would be possible.

    Raises:
        ListeningError: as `allot`.
    """
    asked = f"{listeners} listeners, {items} items and {per_item} ratings of each"
    if min(items, listeners, per_item) < 1:
        raise ListeningError(f"Received {asked}; each must be 1 or more.")
    if per_item > listeners:
        raise ListeningError(
            f"Received {asked}: nobody rates a clip twice. Ask for at most {listeners} ratings, or invite {per_item} listeners."
        )
    if items * per_item % listeners:
        step = listeners // math.gcd(items, listeners)
        possible = ", ".join(str(number) for number in range(step, listeners + 1, step))
        raise ListeningError(
            f"Received {asked}: {items * per_item} pages cannot be shared equally by {listeners} listeners. With these items "
            f"and listeners --per-item may be {possible}; or take a number of listeners that divides {items * per_item}."
        )
