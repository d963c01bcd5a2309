"""How fast training and conversion are on this machine, at a preset's sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.base.jobs import torch_threads
from vcbench.base.machine import cache_root, pick_device
from vcbench.bench.peaks import finish, matrix_peak, seconds
from vcbench.run import config as configuration
from vcbench.run.config import RunConfig
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.speech.vocoders import load_vocoder
from vcbench.speech.vocoders.vocoder import Vocoder
from vcbench.training.cost import WARM_UP, random_batch, step_operations
from vcbench.training.step import Step

CONVERTED = 8  # utterances


class StepTime(NamedTuple):
    """A training step: the system's parameters, the batch (utterances, frames), seconds, floating-point operations, and seconds
    of the published code's, if there is some.
    """

    parameters: int
    batch: tuple[int, int]
    seconds: float
    operations: float
    published: float | None


class ConversionTime(NamedTuple):
    """Seconds for a second of speech: one by one, in one batch of `CONVERTED`, of the vocoder if there is one; the system's
    parameters, and the operations of the batch for a second of speech.
    """

    alone: float
    together: float
    vocoder: float | None
    parameters: int
    operations: float


class TimedStep:
    """A training step, timed, always on the same batch."""

    def __init__(self, model: Any, recipe: TrainingSettings, batch: Batch) -> None:
        self._step, self._batch = Step(model.train(), recipe), batch
        self._seconds: list[float] = []

    def __call__(self) -> None:
        started = time.perf_counter()
        self._step(self._batch)
        finish(self._batch.mel.device)
        self._seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        """Seconds, without the first steps."""
        return median(self._seconds[WARM_UP:])


def train(config: RunConfig, threads: int, steps: int) -> list[tuple[str, ...]]:
    """Rows of (system, parameters, batch, seconds a step, steps a second, GFLOP/s, against the published code).

    In brackets after GFLOP/s: the share of what a large matrix product reaches here.
    """
    rows: list[tuple[str, ...]] = []
    with torch_threads(threads or torch.get_num_threads()):
        peak = matrix_peak(pick_device(config.device))
        for row in trained_rows(config):
            found = time_training(config, row, steps)
            speed = found.operations / found.seconds
            rows.append(
                (
                    row,
                    f"{found.parameters / 1e6:.2f} M",
                    "{} x {}".format(*found.batch),
                    f"{found.seconds:.4f}",
                    f"{1 / found.seconds:.2f}",
                    f"{speed / 1e9:.0f} ({speed / peak:.0%})",
                    f"{found.published:.4f} s, {found.seconds / found.published:.2f} x" if found.published else "",
                )
            )
    return rows


def trained_rows(config: RunConfig) -> list[str]:
    """Systems that are trained here."""
    return [
        row
        for row, settings in config.systems.items()
        if issubclass(configuration.system_class(row, settings), NeuralSystem)
    ]


def untrained(config: RunConfig, row: str, device: torch.device) -> NeuralSystem:
    """A system as it is before its first step."""
    own: Any = configuration.system_config(row, config.systems[row])
    torch.manual_seed(0)
    system_class: Any = configuration.system_class(row, config.systems[row])
    system: NeuralSystem = system_class(own, config.features.mel, 0).to(device)
    batch = random_batch(own.training, config.features.mel.n_mels, device)
    with torch.no_grad():
        system.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
    return system.eval()


def time_training(config: RunConfig, row: str, steps: int) -> StepTime:
    """The median of `steps` steps, in turn with the published code's, so that other load of the machine affects both."""
    device = pick_device(config.device)
    system, n_mels = untrained(config, row, device), config.features.mel.n_mels
    recipe = system.config.training
    batch = random_batch(recipe, n_mels, device)
    step = TimedStep(system, recipe, batch)
    published = type(system).reference_model(system.config, n_mels)
    other = TimedStep(published.to(device), recipe, batch) if published else None
    for _ in range(WARM_UP + steps):
        step()
        if other:
            other()
    return StepTime(
        size(system),
        (recipe.batch_size, recipe.frames),
        step.median,
        step_operations(system),
        other.median if other else None,
    )


def size(model: torch.nn.Module) -> int:
    """Parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


class Speech(NamedTuple):
    """What is converted: recordings of the embedded corpus, and their length in seconds."""

    sources: Sequence[Utterance]
    targets: Sequence[Speaker]
    seconds: float


def speech(config: RunConfig) -> Speech:
    store = FeatureStore(cache_root() / "features", config.features.mel, config.features.pitch)
    speakers = load_corpus("mini").speakers
    sources = [speaker.utterances[0].with_features(store) for speaker in speakers[:CONVERTED]]
    targets = [Speaker(one.id, (one.utterances[1].with_features(store),)) for one in speakers[-CONVERTED:]]
    return Speech(sources, targets, sum(len(source.wave) / source.sampling_rate for source in sources))


def convert(config: RunConfig, threads: int, repeats: int) -> list[tuple[str, ...]]:
    """Rows of (system, seconds of speech, real-time factor one by one, in one batch, of the vocoder): medians over `repeats`.

    A real-time factor is seconds of work for a second of speech. Systems are untrained: the work is the same.
    """
    spoken = speech(config)
    with torch_threads(threads or torch.get_num_threads()):
        vocode = load_vocoder(config.vocoder, config.features.mel, pick_device(config.device))
        found = {row: time_conversion(config, row, spoken, vocode, repeats) for row in trained_rows(config)}
    return [(row, f"{spoken.seconds:.1f}", *(f"{factor:.4f}" for factor in time[:3])) for row, time in found.items()]


@torch.inference_mode()
def time_conversion(
    config: RunConfig, row: str, spoken: Speech, vocode: Vocoder | None, repeats: int
) -> ConversionTime:
    """Medians over `repeats`."""
    device = pick_device(config.device)
    system = untrained(config, row, device)
    alone = partial(_one_by_one, system, spoken.sources, spoken.targets)
    together = partial(system.convert_batch, spoken.sources, spoken.targets)
    with FlopCounterMode(display=False) as counter:
        mels = together()
    work: list[Callable[[], object]] = [alone, together, *([partial(vocode, mels)] if vocode else [])]
    factors = [seconds(one, repeats, device) / spoken.seconds for one in work]
    operations = counter.get_total_flops() / spoken.seconds
    return ConversionTime(factors[0], factors[1], factors[2] if vocode else None, size(system), operations)


def _one_by_one(system: NeuralSystem, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> None:
    for source, target in zip(sources, targets, strict=True):
        system.convert(source, target)
