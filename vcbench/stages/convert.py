"""Converting the trial list: by systems in masked batches, then the vocoder; by reference rows one by one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from vcbench.api.source import source_key
from vcbench.api.system import NeuralSystem
from vcbench.base.errors import UserError
from vcbench.base.files import hash_file, hash_json
from vcbench.base.jobs import Job, JobProgress, Progress
from vcbench.base.settings import plain_json
from vcbench.base.state import find_state, write_parquet, write_state
from vcbench.run import config, reference_rows
from vcbench.run.folder import RunFolder, find_outcomes
from vcbench.run.run import Run
from vcbench.run.trials import trials_hash
from vcbench.speech import audio
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.speech.vocoders import load_vocoder, weights_hashes

VERSION = 1  # raise it when the same checkpoint gives another recording
BATCH = 12  # utterances; a neighbour changes nothing
COSTS = ("conversion_seconds", "vocoder_seconds", "audio_seconds")


def conversion_key(run: Run, row: str) -> str:
    """Hash of all that decides a row's recordings."""
    checkpoint = run.files.checkpoint(row)
    return hash_json(
        {
            "version": VERSION,
            "trials": trials_hash(run.trials),
            "corpus": run.prepared.corpus_hash,
            "vocoder": plain_json(run.config.vocoder),
            "vocoder_weights": weights_hashes(run.config.vocoder),
            "checkpoint": hash_file(checkpoint) if checkpoint.is_file() else None,
            "settings": run.config.systems.get(row),
            "source": source_key(config.system_class(row, run.config.systems[row]))
            if row in run.config.systems
            else None,
        }
    )


def is_converted(run: Run, row: str) -> bool:
    """Whether the row's recordings are all there, made by what the run would make them with now."""
    state = _read_state(run.files, row)
    return state["done"] and state["key"] == conversion_key(run, row) and find_outcomes(run.files, row) is not None


def _read_state(files: RunFolder, row: str) -> dict[str, Any]:
    return find_state(files.conversion_state(row)) or {"key": None, "done": False, "costs": {}}


def convert_row(folder: Path, row: str, progress: JobProgress) -> None:
    """Convert the trial list by one row; a failed trial is recorded with its error, and the others go on.

    Batches made before under the same key are kept, so that an interrupted stage goes on; a batch of which
    anything is missing is made again whole, so that its arithmetic is that of an uninterrupted run.
    """
    run = Run.open(folder)
    target, state = run.files.converted(row), _read_state(run.files, row)
    key = conversion_key(run, row)
    if state["key"] != key:
        shutil.rmtree(target, ignore_errors=True)
        state = {"key": key, "done": False, "costs": dict.fromkeys(COSTS, 0.0)}
    vocoder = load_vocoder(run.config.vocoder, run.config.features.mel, run.device)
    make = _reference_maker(run, row, vocoder) if row in reference_rows.ROWS else _system_maker(run, row, vocoder)
    trials, outcomes = list(run.trials.itertuples()), []
    for begin in range(0, len(trials), BATCH):
        group = trials[begin : begin + BATCH]
        errors = {}
        if not all(run.files.conversion(row, trial.trial).is_file() for trial in group):
            errors = _convert_group(group, make, target, run.config.features.mel.sampling_rate, state["costs"])
            write_state(run.files.conversion_state(row), state)
        for trial in group:
            error = errors.get(trial.trial, "")
            audio_hash = "" if error else hash_file(run.files.conversion(row, trial.trial))
            outcomes.append({"trial": trial.trial, "error": error, "audio_hash": audio_hash})
        progress(min(begin + BATCH, len(trials)), len(trials))
    write_parquet(run.files.outcomes(row), pd.DataFrame(outcomes))
    write_state(run.files.conversion_state(row), state | {"done": True})


Maker = Callable[[list[Any], dict[str, float]], list[Tensor]]  # trials, costs to add to -> waves


def _convert_group(trials: list[Any], make: Maker, target: Path, rate: int, costs: dict[str, float]) -> dict[str, str]:
    """Write the recordings of `trials`; errors by trial. A batch that fails is tried trial by trial."""
    try:
        waves = make(trials, costs)
        for wave in waves:
            _require_sound(wave)
    except UserError:
        raise
    except Exception as error:
        if len(trials) == 1:
            return {trials[0].trial: f"{type(error).__name__}: {error}"}
        errors: dict[str, str] = {}
        for trial in trials:
            errors |= _convert_group([trial], make, target, rate, costs)
        return errors
    for trial, wave in zip(trials, waves, strict=True):
        audio.write(target / f"{trial.trial}.flac", wave.detach().cpu().numpy(), rate)
        costs["audio_seconds"] += wave.shape[-1] / rate
    return {}


def _require_sound(wave: Tensor) -> None:
    if wave.ndim != 1 or wave.shape[0] == 0:
        raise ValueError(
            f"convert() gave a wave of shape {tuple(wave.shape)}; it must be (samples,) with at least one."
        )
    if not torch.isfinite(wave).all():
        raise ValueError("convert() gave samples that are not finite.")
    if wave.abs().max() < audio.SILENCE:
        raise ValueError(f"convert() gave silence: no sample reaches {audio.SILENCE} of full scale.")


def _reference_maker(run: Run, row: str, vocoder: Any) -> Maker:
    make_row = reference_rows.ROWS[row]

    def make(trials: list[Any], costs: dict[str, float]) -> list[Tensor]:
        return [
            make_row(run.utterance(trial.source), run.target(trial), run.utterance(trial.target_utterance), vocoder)
            for trial in trials
        ]

    return make


def _system_maker(run: Run, row: str, vocoder: Any) -> Maker:
    system = run.load_system(row)

    def make(trials: list[Any], costs: dict[str, float]) -> list[Tensor]:
        sources, targets = [run.utterance(trial.source) for trial in trials], [run.target(trial) for trial in trials]
        return convert_waves(system, sources, targets, vocoder, costs)

    return make


@torch.inference_mode()
def convert_waves(
    system: Any, sources: list[Utterance], targets: list[Speaker], vocoder: Any, costs: dict[str, float]
) -> list[Tensor]:
    """Waves of converted utterances; seconds spent are added to `costs`."""
    started = time.perf_counter()
    if isinstance(system, NeuralSystem):
        converted = system.convert_batch(sources, targets)
    else:
        converted = [system.convert(source, target) for source, target in zip(sources, targets, strict=True)]
    _wait(converted)
    between = time.perf_counter()
    costs["conversion_seconds"] += between - started
    if system.produces == "wave":
        return converted
    waves = vocoder(converted)
    _wait(waves)
    costs["vocoder_seconds"] += time.perf_counter() - between
    return waves


def _wait(tensors: list[Tensor]) -> None:
    if tensors and tensors[0].is_cuda:
        torch.cuda.synchronize()


def convert(run: Run, progress: Progress) -> None:
    """Have every system and reference row convert the trial list."""
    run.engine.run(conversion_jobs(run), progress)


def conversion_jobs(run: Run, to_be_trained: Sequence[str] = ()) -> list[Job]:
    """A job for each row whose recordings are not all there, or will not be those of its system when that is trained."""
    return [
        Job(
            f"convert {row}",
            convert_row,
            {"folder": run.folder, "row": row},
            cost=0.0,  # below any training's
            after=row if row in to_be_trained else "",
            gpu=True,
        )
        for row in run.rows
        if row in to_be_trained or not is_converted(run, row)
    ]
