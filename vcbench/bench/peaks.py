"""What this machine does at most, and how time and memory are taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median

import torch

MATRIX = {"cpu": 1024, "cuda": 8192}  # rows and columns
COPIED = 2**28  # bytes: more than any cache holds
REPEATS = 5


def matrix_peak(device: torch.device, kind: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of a product of large matrices: what the machine can do at most."""
    rows = MATRIX[device.type]
    matrix = torch.randn(rows, rows, device=device).to(kind)
    return 2 * rows**3 / seconds(lambda: matrix @ matrix, REPEATS, device)


def copy_peak(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy of a large tensor within the device's memory."""
    source = torch.zeros(COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * COPIED / seconds(lambda: target.copy_(source), REPEATS, device)


def seconds(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median over `repeats`, after one that is not counted."""
    taken = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        work()
        finish(device)
        taken.append(time.perf_counter() - started)
    return median(taken[1:])


def finish(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def forget_peak(device: torch.device) -> None:
    """Begin anew with `vcbench.base.machine.peak_memory`; on a CPU Linux can, and elsewhere it stays the process's."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
