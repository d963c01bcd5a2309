"""Allot clips to listeners, balanced by construction; the seed decides the order."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from vcbench.base.nouns import counted
from vcbench.listening.kinds import ListeningError


class Slot(NamedTuple):
    """One rating: its unit (a system or a pair of systems), its item, and which repeat of that unit and item it is (from 0)."""

    unit: int
    item: int
    repeat: int


def williams(count: int) -> list[tuple[int, ...]]:
    """A Williams square over `count` things: each is equally often in each place, and follows each other one equally often.

    It has `count` rows for an even count and twice as many for an odd one; each thing follows another once or twice.
    """
    zigzag = [(place + 1) // 2 if place % 2 else -(place // 2) for place in range(count)]
    rows = [tuple((step + shift) % count for step in zigzag) for shift in range(count)]
    return rows + [row[::-1] for row in rows] if count % 2 and count > 1 else rows


def allot(units: int, items: int, listeners: int, per_item: int, seed: int) -> list[list[list[Slot]]]:
    """For each listener, rounds of slots: a round has every unit once, in the order of a row of a Williams square.

    Every listener gets each unit equally often, and never the same unit and item twice; `per_item` listeners rate each
    unit of each item. The rows of the square are used equally often, as far as the numbers allow.

    Raises:
        ListeningError: the numbers do not allow this; the message says which would.
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
    """Refuse numbers that do not allow balanced sheets, and suggest some that do.

    Raises:
        ListeningError: as `allot`.
    """
    asked = f"{counted(listeners, 'listener')}, {counted(items, 'item')} and {counted(per_item, 'rating')} of each"
    if min(items, listeners, per_item) < 1:
        raise ListeningError(f"Received {asked}; each must be at least 1.")
    if per_item > listeners:
        raise ListeningError(
            f"Received {asked}: nobody rates a clip twice. Use at most {counted(listeners, 'rating')}, or "
            f"invite {counted(per_item, 'listener')}."
        )
    if items * per_item % listeners:
        step = listeners // math.gcd(items, listeners)
        possible = ", ".join(str(number) for number in range(step, listeners + 1, step))
        raise ListeningError(
            f"Received {asked}: {counted(items * per_item, 'page')} cannot be shared equally by "
            f"{counted(listeners, 'listener')}. With these items "
            f"and listeners --per-item may be {possible}; or use a number of listeners that divides {items * per_item}."
        )
