"""The only training loop: seeded random crops, Adam, clipping, held-out loss, checkpoints that resume to the same result."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vcbench.api.batch import Batch
from vcbench.api.checkpoint import CheckpointError
from vcbench.api.settings import TrainingSettings
from vcbench.base.files import write_bytes, write_text
from vcbench.speech.conditions import vary
from vcbench.speech.features.pitch import normalise_log_f0
from vcbench.speech.utterance import Utterance

if TYPE_CHECKING:
    from vcbench.api.system import NeuralSystem


HELD_OUT_BATCHES = 4  # batches of held-out crops, the same ones at every evaluation


FINITE_CHECK_EVERY = 20  # steps between looks at the loss's value: each look waits for the device


STATE_FILE = "training.safetensors"


LOG_FILE = "train.jsonl"


Report = Callable[[int, dict[str, float]], None]


class TrainingDiverged(RuntimeError):
    """The loss or its gradient is no longer finite."""


class CropSampler:
    """Features of many utterances in the device's memory, from which batches of random crops are cut.

    Utterances are drawn uniformly, then a start uniformly. An utterance shorter than the crop is padded and masked.
    """

    def __init__(self, utterances: Sequence[Utterance], needs: Sequence[str], device: torch.device) -> None:
        if not utterances:
            raise ValueError(
                "There is no utterance to train on: the split left none. Check the corpus and its split settings."
            )
        speakers = sorted({utterance.speaker for utterance in utterances})
        self.speaker = torch.tensor([speakers.index(utterance.speaker) for utterance in utterances])
        self.same_speaker = [torch.nonzero(self.speaker == speaker)[:, 0] for speaker in self.speaker]
        mels = [utterance.mel for utterance in utterances]
        self.lengths = torch.tensor([mel.shape[-1] for mel in mels])
        self.begins = torch.cat([torch.zeros(1, dtype=torch.long), self.lengths.cumsum(0)[:-1]])
        self.device = device
        # Frames first, so that a crop is one contiguous copy.
        self.mel = torch.cat([mel.T for mel in mels]).to(device)
        self.pitch = self.phones = None
        if "pitch" in needs:
            contours = [
                torch.stack([normalise_log_f0(utterance.log_f0, utterance.voiced), utterance.voiced.float()], -1)
                for utterance in utterances
            ]
            self.pitch = torch.cat(contours).to(device)
        if "phones" in needs:
            self.phones = torch.cat([utterance.phones for utterance in utterances]).to(device)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over all frames, (n_mels,) each."""
        return self.mel.mean(0), self.mel.std(0).clamp_min(1e-3)

    def _window(self, chosen: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positions (batch, frames) of one random crop per chosen utterance, and which of them are real."""
        room = (self.lengths[chosen] - frames).clamp_min(0)
        starts = (torch.rand(len(chosen), generator=generator) * (room + 1)).long().clamp_max(room)
        within = starts[:, None] + torch.arange(frames)
        real = within < self.lengths[chosen][:, None]
        positions = self.begins[chosen][:, None] + within.minimum(self.lengths[chosen][:, None] - 1)
        return positions.to(self.device, non_blocking=True), real.to(self.device, non_blocking=True)

    def _cut(self, values: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """(batch, channels, frames), zero where not real."""
        return (values[positions] * real[..., None]).transpose(1, 2).contiguous()

    def draw(self, size: int, frames: int, reference_frames: int, generator: torch.Generator) -> Batch:
        """One batch; `reference_frames` > 0 adds a crop of another utterance of the speaker (the same one, if alone)."""
        chosen = torch.randint(len(self.lengths), (size,), generator=generator)
        positions, real = self._window(chosen, frames, generator)
        batch = Batch(mel=self._cut(self.mel, positions, real), mask=real[:, None].float())
        batch.speaker = self.speaker[chosen].to(self.device)
        if self.pitch is not None:
            pitch = self._cut(self.pitch, positions, real)
            batch.log_f0, batch.voiced = pitch[:, :1], pitch[:, 1:]
        if self.phones is not None:
            batch.phones = self.phones[positions] * real
        if reference_frames:
            others = torch.stack([self._other(int(index), generator) for index in chosen])
            positions, real = self._window(others, reference_frames, generator)
            batch.reference, batch.reference_mask = self._cut(self.mel, positions, real), real[:, None].float()
        return batch

    def _other(self, index: int, generator: torch.Generator) -> Tensor:
        same = self.same_speaker[index]
        if len(same) == 1:
            return same[0]
        drawn = torch.randint(len(same) - 1, (1,), generator=generator)[0]
        return same[drawn + 1] if same[drawn] >= index else same[drawn]


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


@dataclass
class Progress:
    """What changes while training, beside the weights."""

    optimizer: torch.optim.Adam
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)


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
    progress = Progress(_optimizer(system, settings), torch.Generator().manual_seed(seed))
    if not _resume(system, progress, folder):
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


def _optimizer(system: NeuralSystem, settings: TrainingSettings) -> torch.optim.Adam:
    return torch.optim.Adam(
        system.parameters(),
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        amsgrad=settings.amsgrad,
        fused=True,
    )


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
            _write_log(folder, progress)
            sums, count = {}, 0
        if last or (evaluated and progress.step % settings.checkpoint_every == 0):
            _save_state(system, progress, folder)


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


def _write_log(folder: Path, progress: Progress) -> None:
    write_text(folder / LOG_FILE, "".join(json.dumps(row) + "\n" for row in progress.log))


def _save_state(system: NeuralSystem, progress: Progress, folder: Path) -> None:
    """Weights, Adam's state, random states and the step, in one safetensors file."""
    tensors = {f"system.{name}": value.contiguous() for name, value in system.state_dict().items()}
    for index, state in progress.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": torch.as_tensor(value) for name, value in state.items()}
    tensors["random.crops"] = progress.generator.get_state()
    tensors["random.torch"] = torch.get_rng_state()
    if system.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(system.device)
    training = {"step": progress.step, "seconds": progress.seconds, "log": progress.log}
    metadata = {"vcbench": json.dumps(system.description()), "training": json.dumps(training)}
    write_bytes(folder / STATE_FILE, save(tensors, metadata))


def _resume(system: NeuralSystem, progress: Progress, folder: Path) -> bool:
    """Go on from the folder's checkpoint; False where there is none.

    Raises:
        CheckpointError: the checkpoint cannot be read, or is of other settings.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return False
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). Delete it to train from the start.") from error
    if json.loads(metadata["vcbench"]) != json.loads(json.dumps(system.description())):
        raise CheckpointError(
            f"{path} was made with other settings. Use another run name, or delete its folder to train anew."
        )
    system.load_state_dict({k.removeprefix("system."): v for k, v in tensors.items() if k.startswith("system.")})
    adam: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".", 2)
            adam.setdefault(int(index), {})[key] = value
    progress.optimizer.load_state_dict({"state": adam, "param_groups": progress.optimizer.state_dict()["param_groups"]})
    progress.generator.set_state(tensors["random.crops"])
    torch.set_rng_state(tensors["random.torch"])
    if system.device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], system.device)
    training = json.loads(metadata["training"])
    progress.step, progress.seconds, progress.log = training["step"], training["seconds"], training["log"]
    return True
