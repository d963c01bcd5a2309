"""How fast training and conversion are on this machine, at a preset's sizes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.base.jobs import torch_threads
from vcbench.base.machine import cache_root, pick_device
from vcbench.run import config as configuration
from vcbench.run.config import RunConfig
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.speech.vocoders import load_vocoder
from vcbench.training.cost import WARM_UP, random_batch, step_operations
from vcbench.training.step import Step

CONVERTED = 8  # utterances
MATRIX = 1024  # rows and columns


def matrix_peak(device: torch.device) -> float:
    """Floating-point operations a second of a product of large float32 matrices: what the machine can do at most."""
    matrix = torch.randn(MATRIX, MATRIX, device=device)
    return 2 * MATRIX**3 / _seconds(lambda: matrix @ matrix, 5, device)


class TimedStep:
    """A training step, timed, always on the same batch."""

    def __init__(self, model: Any, recipe: TrainingSettings, batch: Batch) -> None:
        self._step, self._batch = Step(model.train(), recipe), batch
        self._seconds: list[float] = []

    def __call__(self) -> None:
        started = time.perf_counter()
        self._step(self._batch)
        if self._batch.mel.is_cuda:
            torch.cuda.synchronize()
        self._seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        """Seconds, without the first steps."""
        return statistics.median(self._seconds[WARM_UP:])


def train(config: RunConfig, threads: int, steps: int) -> list[tuple[str, ...]]:
    """Rows of (system, parameters, batch, seconds a step, steps a second, GFLOP/s, against the published code).

    In brackets after GFLOP/s: the share of what a large matrix product reaches here.
    """
    rows = []
    with torch_threads(threads or torch.get_num_threads()):
        peak = matrix_peak(pick_device(config.device))
        for row, settings in config.systems.items():
            system_class = configuration.system_class(row, settings)
            if issubclass(system_class, NeuralSystem):
                own = configuration.system_config(row, settings)
                rows.append((row, *_time_training(system_class, own, config, steps, peak)))
    return rows


def _untrained(system_class: type[NeuralSystem], own: Any, config: RunConfig, device: torch.device) -> NeuralSystem:
    """A system as it is before its first step."""
    torch.manual_seed(0)
    system = system_class(own, config.features.mel, 0).to(device)
    batch = random_batch(own.training, config.features.mel.n_mels, device)
    with torch.no_grad():
        system.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
    return system.eval()


def _time_training(
    system_class: type[NeuralSystem], own: Any, config: RunConfig, steps: int, peak: float
) -> tuple[str, ...]:
    device = pick_device(config.device)
    n_mels = config.features.mel.n_mels
    recipe = own.training
    system, batch = _untrained(system_class, own, config, device), random_batch(recipe, n_mels, device)
    step = TimedStep(system, recipe, batch)
    published = system_class.reference_model(own, n_mels)
    other = TimedStep(published.to(device), recipe, batch) if published else None
    for _ in range(WARM_UP + steps):
        # Alternate, so background load affects both equally.
        step()
        if other:
            other()
    seconds = step.median
    size = sum(parameter.numel() for parameter in system.parameters())
    speed = step_operations(system) / seconds
    return (
        f"{size / 1e6:.2f} M",
        f"{recipe.batch_size} x {recipe.frames}",
        f"{seconds:.4f}",
        f"{1 / seconds:.2f}",
        f"{speed / 1e9:.0f} ({speed / peak:.0%})",
        f"{other.median:.4f} s, {seconds / other.median:.2f} x" if other else "",
    )


def convert(config: RunConfig, threads: int, repeats: int) -> list[tuple[str, ...]]:
    """Rows of (system, seconds of speech, real-time factor one by one, in one batch, of the vocoder): medians over `repeats`.

    A real-time factor is seconds of work for a second of speech. Systems are untrained: the work is the same.
    """
    device = pick_device(config.device)
    store = FeatureStore(cache_root() / "features", config.features.mel, config.features.pitch)
    speakers = load_corpus("mini").speakers
    sources = [speaker.utterances[0].with_features(store) for speaker in speakers[:CONVERTED]]
    targets = [Speaker(one.id, (one.utterances[1].with_features(store),)) for one in speakers[-CONVERTED:]]
    speech = sum(len(source.wave) / source.sampling_rate for source in sources)
    rows = []
    with torch_threads(threads or torch.get_num_threads()), torch.inference_mode():
        vocode = load_vocoder(config.vocoder, config.features.mel, device)
        for row, settings in config.systems.items():
            system_class = configuration.system_class(row, settings)
            if issubclass(system_class, NeuralSystem):
                system = _untrained(system_class, configuration.system_config(row, settings), config, device)
                alone = partial(_one_by_one, system, sources, targets)
                together = partial(system.convert_batch, sources, targets)
                mels = together()
                factors = (
                    _seconds(work, repeats, device) / speech for work in (alone, together, partial(vocode, mels))
                )
                rows.append((row, f"{speech:.1f}", *(f"{factor:.4f}" for factor in factors)))
    return rows


def _one_by_one(system: NeuralSystem, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> None:
    for source, target in zip(sources, targets, strict=True):
        system.convert(source, target)


def _seconds(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median over `repeats`, after one that is not counted."""
    taken = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])
