"""The table of `vcbench bench all`, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vcbench.base.escape import one_line
from vcbench.base.files import write_text
from vcbench.base.machine import git_commit, today, versions
from vcbench.base.nouns import counted
from vcbench.bench.everything import Line, Measured, Sizes
from vcbench.reporting.text import NOT_MEASURED, markdown_table

TITLES = (
    "work", "preset", "batch", "rate", "", "operations", "bytes at least", "of the peak", "of a copy", "peak memory",
)  # fmt: skip
SHORT = (0, 1, 3, 4, 7, 9)  # columns that fit a terminal
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))


def write(folder: Path, device: str, found: Measured, sizes: Sizes, threads: int, remark: str) -> Path:
    """Write FOLDER/DEVICE.md.

    Args:
        remark: a sentence for the foot, e.g. on what else ran.
    """
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', device.lower()).strip('-')}.md"
    write_text(path, "\n".join(page(device, found, sizes, threads, remark)) + "\n")
    return path


def page(device: str, found: Measured, sizes: Sizes, threads: int, remark: str) -> list[str]:
    """Lines of Markdown."""
    peaks = ", ".join(f"{scaled(speed)}FLOP/s in {name}" for name, speed in found.peaks.items())
    missing = [f"- Not timed: {work}. {one_line(reason)}" for work, reason in found.missing.items()]
    return [
        f"# Speed on {device}",
        "",
        *markdown_table(rows(found)),
        "",
        f"- Measured on {today()} by `vcbench bench all`, commit {git_commit() or 'unknown'}, torch {versions()['torch']}, "
        f"{threads} threads of this process (0: PyTorch's default).",
        f"- Peaks measured here: a large matrix product {peaks}; a large copy {scaled(found.copied)}B/s, read and written.",
        f"- Medians of {counted(sizes.steps, 'training step')} and of {counted(sizes.repeats, 'conversion')}; "
        f"{counted(sizes.conversions, 'recording')} of "
        f"{sizes.seconds:g} s for each metric, with its time for their sources. RTF: seconds of work for a second of speech.",
        "- Operations and bytes are those of a step, of a second of speech, of a recording. Operations: matrix products, convolutions "
        "and attention as PyTorch counts them. Bytes at least: weights and moments read and written once a step, or weights read "
        "once a batch, and the mel spectrograms; activations may stay on the chip. Their rates are shares of the peak in float32 "
        "and of the copy.",
        "- Peak memory: the device's on a GPU, else the whole process's.",
        *([f"- {remark}"] if remark else []),
        *missing,
    ]


def rows(found: Measured) -> list[Sequence[str]]:
    """The table's, titles first."""
    return [TITLES, *(_row(line, found.peaks["float32"], found.copied) for line in found.lines)]


def _row(line: Line, peak: float, copied: float) -> tuple[str, ...]:
    def share(amount: float | None, most: float) -> str:
        return NOT_MEASURED if amount is None else f"{amount / line.seconds / most:.1%}"

    return (
        line.work,
        line.preset,
        line.size,
        f"{line.rate:.4f}" if line.unit == "RTF" else f"{line.rate:.3g}" if line.rate < 100 else f"{line.rate:.0f}",
        line.unit,
        NOT_MEASURED if line.operations is None else f"{scaled(line.operations)}FLOP",
        NOT_MEASURED if line.moved is None else f"{scaled(line.moved)}B",
        share(line.operations, peak),
        share(line.moved, copied),
        f"{line.memory / 2**30:.2f} GiB",
    )


def scaled(amount: float) -> str:
    """With three digits and a prefix, e.g. ``1.23 G``."""
    factor, prefix = next(((factor, prefix) for factor, prefix in UNITS if amount >= factor), UNITS[-1])
    return f"{amount / factor:.3g} {prefix}"
