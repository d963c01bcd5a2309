"""Pretrained systems in a run: their files become its checkpoints, in place of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vcbench.api.pretrained import read_origin
from vcbench.base.files import hash_file, write_bytes
from vcbench.base.jobs import Job, JobProgress
from vcbench.base.state import find_state, write_state
from vcbench.run import pretrained
from vcbench.run.config import pretrained_rows
from vcbench.run.run import Run


def pretrained_jobs(run: Run, rows: Sequence[str]) -> list[Job]:
    """A job for each of the rows whose pretrained weights are not in the run's folder yet."""
    return [
        Job(row, take_pretrained, {"folder": run.folder, "row": row})
        for row in pretrained_rows(run.config)
        if row in rows and not _taken(run, row)
    ]


def _taken(run: Run, row: str) -> bool:
    """Whether the checkpoint is the file that the settings name."""
    checkpoint, wanted = run.files.checkpoint(row), run.config.systems[row]["pretrained"]
    return find_state(run.files.training(row)) is not None and checkpoint.is_file() and hash_file(checkpoint) == wanted


def take_pretrained(folder: Path, row: str, progress: JobProgress) -> None:
    """Copy the weights of a pretrained row to its checkpoint. What the training took elsewhere is no cost of this run."""
    run = Run.open(folder)
    path, (file, system) = run.files.checkpoint(row), pretrained.weights(run, row)
    write_bytes(path, file.read_bytes())
    size = sum(parameter.numel() for parameter in system.parameters())
    costs = {"parameters": size, "training_steps": read_origin(path).steps}
    write_state(run.files.training(row), {"hashes": {"checkpoint": hash_file(path)}, "costs": costs})
