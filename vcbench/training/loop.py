"""The only training loop: seeded random crops, Adam, clipping, held-out loss, checkpoints that resume to the same result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vcbench.api.settings import TrainingSettings
from vcbench.speech.conditions import vary
from vcbench.speech.utterance import Utterance
from vcbench.training.crops import CropSampler
from vcbench.training.state import Progress, resume, save_state, write_log
from vcbench.training.step import optimizer

if TYPE_CHECKING:
    from vcbench.api.system import NeuralSystem


HELD_OUT_BATCHES = 4  # batches of held-out crops, the same ones at every evaluation


FINITE_CHECK_EVERY = 20  # steps between looks at the loss's value: each look waits for the device


Report = Callable[[int, dict[str, float]], None]


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is no longer finite."""


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """The rate at a step: constant, or one cycle (up over 30% of the steps, then down, both along a cosine)."""
    if settings.schedule == "constant":
        return settings.learning_rate
    warm = max(1.0, 0.3 * settings.steps)
    low, peak, last = settings.learning_rate / 25, settings.learning_rate, settings.learning_rate / 1e4
    if step < warm:
        return peak + (low - peak) * (1 + math.cos(math.pi * step / warm)) / 2
    progress = (step - warm) / max(1.0, settings.steps - warm)
    return last + (peak - last) * (1 + math.cos(math.pi * progress)) / 2


def train(
    system: NeuralSystem,
    training: Sequence[Utterance],
    held_out: Sequence[Utterance],
    folder: Path,
    seed: int,
    report: Report | None = None,
) -> None:
    """Train `system` in place, going on from `folder` if a training was interrupted there.

    Writes LOG_FILE (a JSON object per evaluation: step, seconds, losses, learning rate, gradient norm) and STATE_FILE.
    One seed gives one result on one device with one number of threads.

    Raises:
        TrainingDiverged: the loss is not finite; the last checkpoint stays.
    """
    settings = system.config.training
    system.before_training(training, held_out)
    crops = CropSampler(vary(training, settings.varied_recordings), system.needs, system.device)
    kept_out = CropSampler(held_out, system.needs, system.device) if held_out else None
    torch.manual_seed(seed)
    progress = Progress(optimizer(system, settings), torch.Generator().manual_seed(seed))
    if not resume(system, progress, folder):
        first = crops.draw(
            settings.batch_size, settings.frames, settings.reference_frames, torch.Generator().manual_seed(seed)
        )
        with torch.no_grad():
            system.initialise(*crops.statistics(), first)
    system.train()
    try:
        _steps(system, crops, kept_out, progress, folder, report)
    finally:
        system.eval()


def _steps(
    system: NeuralSystem,
    crops: CropSampler,
    kept_out: CropSampler | None,
    progress: Progress,
    folder: Path,
    report: Report | None,
) -> None:
    settings = system.config.training
    parameters = [parameter for parameter in system.parameters() if parameter.requires_grad]
    sums: dict[str, Tensor] = {}
    started, count = time.perf_counter() - progress.seconds, 0
    while progress.step < settings.steps:
        for group in progress.optimizer.param_groups:
            group["lr"] = learning_rate(settings, progress.step)
        batch = crops.draw(settings.batch_size, settings.frames, settings.reference_frames, progress.generator)
        with torch.autocast(system.device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"):
            losses = system.loss(batch)
        progress.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
        progress.optimizer.step()
        progress.step += 1
        count += 1
        for name, value in {**losses, "gradient_norm": norm}.items():
            sums[name] = sums.get(name, 0.0) + value.detach().float()
        last = progress.step == settings.steps
        evaluated = progress.step % settings.evaluate_every == 0 or last
        if progress.step % FINITE_CHECK_EVERY == 0 or evaluated:
            _require_finite(sums, progress.step, folder)
            if report:
                report(progress.step, {"total": float(losses["total"].detach())})
        if evaluated:
            row = {"step": progress.step, "learning_rate": learning_rate(settings, progress.step - 1)}
            row |= {name: float(value) / count for name, value in sums.items()}
            row |= _held_out_losses(system, kept_out) if kept_out else {}
            progress.seconds = time.perf_counter() - started
            progress.log.append(row | {"seconds": round(progress.seconds, 3)})
            write_log(folder, progress)
            sums, count = {}, 0
        if last or (evaluated and progress.step % settings.checkpoint_every == 0):
            save_state(system, progress, folder)


def _require_finite(sums: dict[str, Tensor], step: int, folder: Path) -> None:
    for name, value in sums.items():
        if not math.isfinite(float(value)):
            raise TrainingDiverged(
                f"Training stopped at step {step}: {name} is {float(value)}. The last good checkpoint, if any, is in {folder}. "
                "Lower training.learning_rate or training.clip, or look for a broken utterance with `vcbench prepare`."
            )


def _held_out_losses(system: NeuralSystem, kept_out: CropSampler) -> dict[str, float]:
    """Mean losses on held-out crops, the same at every call; leaves the random state as it was."""
    settings = system.config.training
    generator = torch.Generator().manual_seed(0)
    sums: dict[str, float] = {}
    devices = [system.device] if system.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(0)
        system.eval()
        for _ in range(HELD_OUT_BATCHES):
            batch = kept_out.draw(settings.batch_size, settings.frames, settings.reference_frames, generator)
            for name, value in system.loss(batch).items():
                sums[f"held_out_{name}"] = sums.get(f"held_out_{name}", 0.0) + float(value) / HELD_OUT_BATCHES
        system.train()
    return sums
