"""Which rows share speakers."""

from __future__ import annotations

import pytest

from vcbench.stats.clusters import clusters, fewest


def grouped(sources: str, targets: str | None, shared: bool = True) -> list[set[int]]:
    """The rows of each speaker that is resampled."""
    found = clusters(len(sources), list(sources), None if targets is None else list(targets), shared)
    rows = [{*found.first[[pair]], *found.second[[pair]]} for pair in found.pairs]
    return sorted(({row for row, own in enumerate(rows) if code in own} for code in range(found.speakers)), key=sorted)


def test_a_speaker_is_one_in_both_roles() -> None:
    assert grouped("aba", "bca") == [{0, 1}, {0, 2}, {1}]
    assert grouped("1212", "1122") == [{0, 1, 2}, {1, 2, 3}]
    assert grouped("1212", "1122", shared=False) == [{0, 1}, {0, 2}, {1, 3}, {2, 3}]


def test_both_directions_are_one_pair() -> None:
    assert len(clusters(4, list("abac"), list("bacc")).first) == 3
    assert len(clusters(4, list("abab"), list("babb"), shared=False).first) == 3


def test_rows_are_clusters_where_no_speaker_is_known() -> None:
    alone = [{0}, {1}, {2}]
    assert clusters(3).speakers == 3
    assert not clusters(3).crossed
    assert clusters(3, ["", "", ""], ["", "", ""]).speakers == 3
    assert grouped("aaa", None) == alone
    assert grouped("aaa", "bbb") == alone
    assert grouped("aba", "bab") == alone


def test_a_role_with_one_speaker_or_nested_in_the_other_is_left_out() -> None:
    assert grouped("aaaa", "xxyz") == [{0, 1}, {2}, {3}]
    assert grouped("aabb", "wxyz") == [{0, 1}, {2, 3}]
    assert grouped("wxyz", "aabb") == [{0, 1}, {2, 3}]
    assert grouped("abab", "abab") == [{0, 2}, {1, 3}]


def test_a_role_that_is_nested_stays_where_speakers_have_both() -> None:
    assert grouped("abc", "bca") == [{0, 1}, {0, 2}, {1, 2}]


def test_the_numbers_of_rows_and_names_must_be_equal() -> None:
    with pytest.raises(ValueError, match="a speaker for each value: 3; got 2"):
        clusters(3, ["a", "b"])


def test_the_smaller_role_counts() -> None:
    assert fewest(list("abcd"), list("xyxy")) == 2
    assert fewest(list("aab"), ["", "", ""]) == 2
    assert fewest([""], [""]) is None
