"""The only training loop: seeded random crops, Adam, clipping, held-out loss, checkpoints that resume to the same result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from vcbench.api.settings import TrainingSettings
from vcbench.base.preemption import holds_sigterm_back
from vcbench.base.tracking import Track
from vcbench.speech.conditions import vary
from vcbench.speech.utterance import Utterance
from vcbench.training.averages import read
from vcbench.training.crops import CropSampler
from vcbench.training.state import TrainingState, resume, save_state, write_log
from vcbench.training.step import Step

if TYPE_CHECKING:
    from vcbench.api.system import NeuralSystem

HELD_OUT_BATCHES = 4  # batches of held-out crops, the same ones at every evaluation
FINITE_CHECK_EVERY = 20  # steps between looks at the loss's value: each look waits for the device
LossReport = Callable[[int, dict[str, float]], None]


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """The rate at a step: constant, or one cycle (up over 30% of the steps, then down, both along a cosine)."""
    if settings.schedule == "constant":
        return settings.learning_rate
    warm = max(1.0, 0.3 * settings.steps)
    low, peak, last = settings.learning_rate / 25, settings.learning_rate, settings.learning_rate / 1e4
    if step < warm:
        return peak + (low - peak) * (1 + math.cos(math.pi * step / warm)) / 2
    state = (step - warm) / max(1.0, settings.steps - warm)
    return last + (peak - last) * (1 + math.cos(math.pi * state)) / 2


def train(
    system: NeuralSystem,
    training: Sequence[Utterance],
    held_out: Sequence[Utterance],
    folder: Path,
    seed: int,
    report: LossReport | None = None,
    track: Track = lambda row: None,
) -> None:
    """Train `system` in place, going on from `folder` if a training was interrupted there.

    Writes LOG_FILE (a JSON object per evaluation: step, seconds, losses, learning rate, gradient norm) and STATE_FILE.
    `report` hears often of step and loss; `track` gets every row of LOG_FILE, first those from before an interruption.
    One seed gives one result on one device with one number of threads.

    Raises:
        TrainingDiverged: the loss is not finite; the last checkpoint stays.
        Preempted: SIGTERM came; the step that it came in is the checkpoint's last.
    """
    system.before_training(training, held_out)
    settings = system.config.training
    crops = CropSampler(vary(training, settings.varied_recordings), system.needs, system.device, settings.draw)
    kept_out = CropSampler(held_out, system.needs, system.device, settings.draw) if held_out else None
    fit(system, crops, kept_out, folder, seed, report, track)


class Crops(Protocol):
    """Where batches come from."""

    def draw(self, size: int, frames: int, reference_frames: int, generator: torch.Generator) -> Any: ...
    def statistics(self) -> tuple[Tensor, Tensor]: ...


def fit(
    system: Any,
    crops: Crops,
    kept_out: Crops | None,
    folder: Path,
    seed: int,
    report: LossReport | None = None,
    track: Track = lambda row: None,
) -> TrainingState:
    """As `train`, of any module with ``config.training``, ``device``, ``loss(batch)``, ``initialise`` and ``description``; returns
    where it ended."""
    settings = system.config.training
    torch.manual_seed(seed)
    step = Step(system, settings)
    state = TrainingState(step.optimizer, seeded(system.device, seed))
    if not resume(system, state, folder):
        first = crops.draw(settings.batch_size, settings.frames, settings.reference_frames, seeded(system.device, seed))
        with torch.no_grad():
            system.initialise(*crops.statistics(), first)
    for row in state.log:
        track(row)
    system.train()
    try:
        with holds_sigterm_back() as stopping:
            _steps(stopping, step, crops, kept_out, state, folder, report, track)
    finally:
        system.eval()
    return state


def seeded(device: torch.device, seed: int) -> torch.Generator:
    """A generator of the device's own, so that what it draws need not be copied there."""
    return torch.Generator(device).manual_seed(seed)


def _steps(
    stopping: Callable[[], bool],
    step: Step,
    crops: Crops,
    kept_out: Crops | None,
    state: TrainingState,
    folder: Path,
    report: LossReport | None,
    track: Track,
) -> None:
    settings, averages = step.recipe, state.averages
    started = time.perf_counter() - state.seconds
    stopped = False
    while state.step < settings.steps and not stopped:
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(settings, state.step)
        batch = crops.draw(settings.batch_size, settings.frames, settings.reference_frames, state.generator)
        averages.add(step(batch))
        state.step += 1
        last, stopped = state.step == settings.steps, stopping()
        evaluated = state.step % settings.evaluate_every == 0 or last
        if state.step % FINITE_CHECK_EVERY == 0 or evaluated or stopped:
            total = averages.latest_total(state.step, folder)
            if report:
                report(state.step, {"total": total})
        if evaluated:
            row = {"step": state.step, "learning_rate": learning_rate(settings, state.step - 1)}
            row |= averages.means()
            row |= _held_out_losses(step.model, kept_out) if kept_out else {}
            state.seconds = time.perf_counter() - started
            averages.clear()
            state.log.append(row | {"seconds": round(state.seconds, 3)})
            write_log(folder, state)
            track(state.log[-1])
        if last or stopped or (evaluated and state.step % settings.checkpoint_every == 0):
            state.seconds = time.perf_counter() - started
            save_state(step.model, state, folder)


def _held_out_losses(system: Any, kept_out: Crops) -> dict[str, float]:
    """Mean losses on held-out crops, the same at every call; leaves the random state as it was."""
    settings = system.config.training
    generator = seeded(system.device, 0)
    sums: dict[str, Tensor] = {}
    devices = [system.device] if system.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(0)
        system.eval()
        for _ in range(HELD_OUT_BATCHES):
            batch = kept_out.draw(settings.batch_size, settings.frames, settings.reference_frames, generator)
            for name, value in system.loss(batch).items():
                sums[f"held_out_{name}"] = sums.get(f"held_out_{name}", 0.0) + value.float() / HELD_OUT_BATCHES
        system.train()
    return read(sums)
