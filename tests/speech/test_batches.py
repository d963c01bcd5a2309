"""Batches: every wave once, in order, with others of about its length."""

from __future__ import annotations

import numpy as np
import pytest

from vcbench.speech.batches import TOGETHER, in_batches, padded


@pytest.mark.parametrize(("most", "sizes"), [(0, [[9], [8], [7], [3], [2], [2]]), (16, [[9], [8, 7], [3, 2, 2]])])
def test_every_wave_is_in_one_batch_and_results_keep_their_order(
    most: int, sizes: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOGETHER, "cpu", most)
    waves = [np.full(length, length + number / 10) for number, length in enumerate((2, 9, 3, 8, 7, 2))]
    seen = []

    def compute(batch: list[np.ndarray]) -> list[float]:
        seen.append([len(wave) for wave in batch])
        return [wave[0] for wave in batch]

    assert in_batches(compute, waves, "cpu") == [wave[0] for wave in waves]
    assert seen == sizes
    assert in_batches(compute, [], "cpu") == []


def test_waves_are_filled_up_with_zeros() -> None:
    joint, lengths = padded([np.ones(2), np.ones(3)], "cpu")
    assert joint.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert lengths.tolist() == [2, 3]
