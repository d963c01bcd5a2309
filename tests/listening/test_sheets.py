"""Listener sheets are balanced and ordered for all numbers that allow it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vcbench.listening.design.design import Showing, _spread
from vcbench.listening.design.williams import Slot, allot, williams
from vcbench.listening.kinds import ListeningError


@given(st.integers(1, 20))
@settings(deadline=None)
def test_in_a_williams_square_each_follows_each_equally_often(count: int) -> None:
    rows = williams(count)
    times = 2 if count % 2 and count > 1 else 1
    assert len(rows) == count * times
    assert all(sorted(row) == list(range(count)) for row in rows)
    places = Counter((place, thing) for row in rows for place, thing in enumerate(row))
    assert set(places.values()) == {times}
    followed = Counter(pair for row in rows for pair in pairwise(row))
    assert len(followed) == count * (count - 1)
    assert set(followed.values()) <= {times}


numbers = st.tuples(st.integers(1, 8), st.integers(1, 9), st.integers(1, 24), st.integers(1, 24), st.integers(0, 99))


@given(numbers)
@settings(max_examples=300, deadline=None)
def test_sheets_are_balanced_whenever_the_numbers_allow(drawn: tuple[int, int, int, int, int]) -> None:
    units, items, listeners, per_item, seed = drawn
    assume(per_item <= listeners and items * per_item % listeners == 0)
    sheets = allot(units, items, listeners, per_item, seed)
    each = items * per_item // listeners
    assert len(sheets) == listeners
    for sheet in sheets:
        slots = [slot for one in sheet for slot in one]
        assert Counter(slot.unit for slot in slots) == dict.fromkeys(range(units), each)
        assert len({(slot.unit, slot.item) for slot in slots}) == len(slots)
        heard = Counter(slot.item for slot in slots)
        assert max(heard.values()) - min(heard.get(item, 0) for item in range(items)) <= 1
    everything = Counter(slot for sheet in sheets for one in sheet for slot in one)
    expected = [Slot(unit, item, turn) for unit in range(units) for item in range(items) for turn in range(per_item)]
    assert everything == Counter(expected)
    _check_order(units, [tuple(slot.unit for slot in one) for sheet in sheets for one in sheet])


def _check_order(units: int, rounds: list[tuple[int, ...]]) -> None:
    """Every round has each unit once; rows of the square are used equally often, so carry-over is balanced."""
    used = Counter(rounds)
    rows = len(williams(units))
    assert len(used) == min(rows, len(rounds))
    assert max(used.values()) - min(used.values()) <= (len(rounds) % rows > 0)
    if len(rounds) % rows == 0 and units > 1:
        followed = Counter(pair for one in rounds for pair in pairwise(one))
        assert len(followed) == units * (units - 1)
        assert len(set(followed.values())) == 1


@given(st.integers(1, 6), st.integers(1, 8), st.integers(0, 12), st.integers(0, 99))
@settings(deadline=None)
def test_checks_are_spread_over_the_session(rounds: int, pages: int, count: int, seed: int) -> None:
    shown = [[Showing(0, ()) for _ in range(pages)] for _ in range(rounds)]
    _spread(shown, [Showing(1 + number, ()) for number in range(count)], np.random.default_rng(seed))
    assert all(one[0].page == 0 for one in shown)
    order = [showing.page for one in shown for showing in one]
    assert [page for page in order if page] == list(range(1, count + 1))
    for number in range(count if count <= rounds * pages else 0):
        before = order[: order.index(number + 1)].count(0)  # rated pages before this check
        assert number * rounds * pages / count - 0.5 <= before - 1 < (number + 1) * rounds * pages / count + 0.5


def test_the_seed_decides() -> None:
    assert allot(4, 6, 20, 10, 3) == allot(4, 6, 20, 10, 3)
    assert allot(4, 6, 20, 10, 3) != allot(4, 6, 20, 10, 4)


@pytest.mark.parametrize(
    ("items", "listeners", "per_item", "message"),
    [
        (6, 20, 21, r"nobody rates a clip twice. Use at most 20 ratings, or invite 21 listeners"),
        (6, 20, 7, r"42 pages cannot be shared equally by 20 listeners.*--per-item may be 10, 20; or"),
        (6, 0, 7, r"Received 0 listeners, 6 items and 7 ratings of each; each must be at least 1"),
    ],
)
def test_impossible_numbers_are_refused_with_possible_ones(
    items: int, listeners: int, per_item: int, message: str
) -> None:
    with pytest.raises(ListeningError, match=message):
        allot(3, items, listeners, per_item, 0)


@given(st.integers(1, 9), st.integers(1, 24), st.integers(1, 24))
@settings(deadline=None)
def test_numbers_that_an_error_offers_are_taken(items: int, listeners: int, per_item: int) -> None:
    try:
        allot(1, items, listeners, per_item, 0)
    except ListeningError as error:
        assume("--per-item may be" in str(error))
        offered = str(error).split("--per-item may be ")[1].split(";")[0]
        for number in offered.split(", "):
            assert len(allot(1, items, listeners, int(number), 0)) == listeners
