"""What is kept in memory has a limit."""

from __future__ import annotations

import torch

from vcbench.speech.features.memory import Memory


def test_memory_is_bounded() -> None:
    memory = Memory(10 * 5024)
    for index in range(30):
        memory.remember(str(index), ({"a": torch.zeros(1000)}, {}))
        memory.recall("0")
    kept = [index for index in range(30) if memory.recall(str(index)) is not None]
    assert kept == [0, *range(21, 30)]
    memory.remember("29", ({"a": torch.ones(1000)}, {}))
    assert memory._bytes == 10 * 5024
