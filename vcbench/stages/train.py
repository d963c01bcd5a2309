"""Training the systems of a run: which are to be trained, and one of them trained and saved."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vcbench.api.system import NeuralSystem
from vcbench.base.files import hash_file, hash_json, write_text
from vcbench.base.jobs import Job, JobProgress, Progress
from vcbench.base.machine import peak_memory
from vcbench.base.state import find_state, read_state, write_state
from vcbench.base.tracking import tracking
from vcbench.run.config import pretrained_rows
from vcbench.run.run import Run
from vcbench.stages.take_pretrained import pretrained_jobs
from vcbench.training.cost import step_operations
from vcbench.training.loop import train


def train_rows(run: Run, rows: Sequence[str], progress: Progress) -> None:
    """Train what is not trained; several systems at once on a CPU, a thread each."""
    run.engine.run(training_jobs(run, rows), progress)


logger = logging.getLogger(__name__)


def training_jobs(run: Run, rows: Sequence[str]) -> list[Job]:
    """A job for each system that is trained here and is not yet trained as its settings say, or that takes pretrained weights.

    Of systems whose training is the same one is trained, and the others take its weights.
    """
    whole = Run.open(run.folder)  # `run` may be a view with fewer rows
    trained, jobs = dict[str, str](), pretrained_jobs(whole, rows)
    waiting = []
    for row in whole.systems:
        if row in pretrained_rows(whole.config):
            continue
        system = whole.build_system(row)
        if isinstance(system, NeuralSystem):
            if _trained_hash(run, row) == hash_json(system.description()):
                trained[system.training_key()] = row
            elif row in rows:
                waiting.append((row, system.training_key(), system.config.training.steps * step_operations(system)))
    for row, key, cost in waiting:
        arguments = {"folder": run.folder, "row": row}
        twin = trained.setdefault(key, row)
        if twin == row:
            jobs.append(Job(row, train_system, arguments, cost, alone=True, gpu=True))
        else:
            jobs.append(Job(row, take_weights, arguments | {"twin": twin}, after=twin))
    return jobs


def take_weights(folder: Path, row: str, twin: str, progress: JobProgress) -> None:
    """Save the weights of `twin`, whose training is the same, as those of `row`."""
    run = Run.open(folder)
    system, other = run.build_system(row), run.load_system(twin)
    assert isinstance(system, NeuralSystem)
    assert isinstance(other, NeuralSystem)
    system.load_state_dict(other.state_dict())
    system.save(run.files.checkpoint(row))
    write_text(run.files.training_log(row), run.files.training_log(twin).read_text())
    costs = read_state(run.files.training(twin), "`vcbench train` makes it again.")["costs"]
    _write_training(run, row, system, costs)


def _write_training(run: Run, row: str, system: NeuralSystem, costs: dict[str, Any]) -> None:
    hashes = {
        "settings": hash_json(system.description()),
        "checkpoint": hash_file(run.files.checkpoint(row)),
        "log": hash_file(run.files.training_log(row)),
    }
    write_state(run.files.training(row), {"hashes": hashes, "costs": costs})


def _trained_hash(run: Run, row: str) -> str | None:
    """Hash of the settings that a row was trained with; None if it is not trained, or a file is missing or damaged."""
    state = find_state(run.files.training(row))
    if state is None:
        return None
    for name, path in (("checkpoint", run.files.checkpoint(row)), ("log", run.files.training_log(row))):
        if not path.is_file():
            return None
        if hash_file(path) != state["hashes"][name]:
            logger.warning("%s is damaged: it is not what training wrote. It is made again.", path)
            return None
    settings: str = state["hashes"]["settings"]
    return settings


def train_system(folder: Path, row: str, progress: JobProgress) -> None:
    """Train one system of a run, from its last checkpoint if there is one, and save it."""
    run = Run.open(folder)
    system = run.build_system(row)
    assert isinstance(system, NeuralSystem)  # others have no training job
    steps = system.config.training.steps
    parts = run.split

    def report(step: int, losses: dict[str, float]) -> None:
        progress(step, steps, f"loss {losses['total']:.3f}")

    folder, name = run.files.system(row), f"{run.config.name}/{row}"
    with tracking(run.config.log, folder, name, system.config.model_dump(mode="json")) as track:
        train(system, parts.training, parts.held_out, folder, run.config.seed, report, track)
    system.save(run.files.checkpoint(row))
    log = [json.loads(line) for line in run.files.training_log(row).read_text().splitlines()]
    costs = {
        "parameters": sum(parameter.numel() for parameter in system.parameters()),
        "training_seconds": log[-1]["seconds"],
        "training_steps": log[-1]["step"],
        "peak_memory": peak_memory(run.device),
    }
    _write_training(run, row, system, costs)
