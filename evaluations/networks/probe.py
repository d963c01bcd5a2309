"""A small speaker classifier on latents, trained until its validation loss stops falling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from vcbench.api.batch import noise_generator, pad

HIDDEN = 64  # channels
KERNEL = 3  # frames
BATCH = 32  # crops
CROP = 32  # frames of the latent
LEARNING_RATE = 3e-3  # Adam
CHECK_EVERY = 20  # steps between checks of the validation loss

PATIENCE = (
    25  # checks without improvement; the loss falls slowly and unevenly where the latent holds little of the speaker
)

LOWER = 0.01  # nats that count as an improvement
VALIDATION_SHARE = 4  # every fourth utterance of each speaker is for validation
VALIDATION_FRAMES = 400  # of an utterance's latent, at most, in a check of the validation loss


@dataclass(frozen=True)
class ProbeData:
    """Latents normalised and padded, (utterances, channels, frames), with masks (utterances, 1, frames) and labels."""

    training: Tensor
    training_mask: Tensor
    training_labels: Tensor
    test: Tensor
    test_mask: Tensor
    test_labels: Tensor
    speakers: int


def prepare(
    training: Sequence[Tensor],
    training_labels: Sequence[int],
    test: Sequence[Tensor],
    test_labels: Sequence[int],
    normalise: bool = True,
) -> ProbeData:
    """Take latents (channels, frames) with their speakers' numbers; normalise each channel by the training latents."""
    device = training[0].device
    frames = torch.cat([latent.float() for latent in training], 1)
    mean, deviation = frames.mean(1, keepdim=True), frames.std(1, keepdim=True).clamp_min(1e-6)
    if not normalise:
        mean, deviation = torch.zeros_like(mean), torch.ones_like(deviation)
    padded = [pad([(latent.float() - mean) / deviation for latent in part], device) for part in (training, test)]
    labels = [torch.tensor(part, device=device) for part in (training_labels, test_labels)]
    return ProbeData(*padded[0], labels[0], *padded[1], labels[1], max(training_labels) + 1)


class Classifier(nn.Module):
    """Three convolutions with ReLU, the mean over time, a linear layer."""

    def __init__(self, channels: int, speakers: int) -> None:
        super().__init__()
        widths = (channels, HIDDEN, HIDDEN, HIDDEN)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, KERNEL, padding=KERNEL // 2) for before, after in pairwise(widths)
        )
        self.end = nn.Linear(HIDDEN, speakers)

    def forward(self, latent: Tensor, mask: Tensor) -> Tensor:
        """(batch, channels, frames) and (batch, 1, frames) -> (batch, speakers)."""
        hidden = latent * mask
        for convolution in self.convolutions:
            hidden = convolution(hidden).relu() * mask
        return self.end(hidden.sum(-1) / mask.sum(-1))


@torch.inference_mode(False)
def accuracy(data: ProbeData, seed: int, permuted: bool = False, steps: int = 6000) -> Tensor:
    """Train a classifier; return (test utterances,) bool on the CPU: whether it was right.

    Args:
        permuted: train on randomly permuted labels, from which nothing can be learned.
        steps: the maximum number of training steps.
    """
    generator = noise_generator(seed, "speaker probe")
    labels = data.training_labels
    if permuted:
        labels = labels[torch.randperm(len(labels), generator=generator).to(labels.device)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier(data.training.shape[1], data.speakers).to(labels.device)
    _fit(classifier, data.training.clone(), data.training_mask.clone(), labels.clone(), generator, steps)
    with torch.no_grad():
        right = classifier(data.test, data.test_mask).argmax(1) == data.test_labels
    return right.cpu()


def _fit(
    classifier: Classifier, latents: Tensor, mask: Tensor, labels: Tensor, generator: torch.Generator, steps: int
) -> None:
    """Adam on random crops until the loss on the validation utterances stops falling; the best state is kept."""
    learned, kept = _divide(labels)
    shown, shown_mask = latents[kept, :, :VALIDATION_FRAMES], mask[kept, :, :VALIDATION_FRAMES]
    optimizer = torch.optim.Adam(classifier.parameters(), LEARNING_RATE)
    lowest, best, waited = float("inf"), {}, 0
    for step in range(1, steps + 1):
        rows = learned[torch.randint(len(learned), (BATCH,), generator=generator).to(labels.device)]
        crops, crop_mask = _crop(latents[rows], mask[rows], generator)
        loss = nn.functional.cross_entropy(classifier(crops, crop_mask), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % CHECK_EVERY == 0:
            with torch.no_grad():
                now = float(nn.functional.cross_entropy(classifier(shown, shown_mask), labels[kept]))
            waited = 0 if now < lowest - LOWER else waited + 1
            if now < lowest:
                lowest = now
                best = {name: value.clone() for name, value in classifier.state_dict().items()}
            if waited == PATIENCE:
                break
    classifier.load_state_dict(best)


def _divide(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows for training, and rows for early stopping: the last of every `VALIDATION_SHARE` of each label.

    If no label has that many, all rows serve as both.
    """
    seen: dict[int, int] = {}
    kept = []
    for row, label in enumerate(labels.tolist()):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] % VALIDATION_SHARE == 0:
            kept.append(row)
    rows = torch.arange(len(labels), device=labels.device)
    if not kept:
        return rows, rows
    held = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
    held[kept] = True
    return rows[~held], rows[held]


def _crop(latents: Tensor, mask: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random crop of each utterance, (batch, channels, CROP or less), and its mask."""
    lengths = mask.sum((1, 2)).long()
    size = min(CROP, latents.shape[-1])
    room = (lengths - size).clamp_min(0)
    start = (torch.rand(len(lengths), generator=generator).to(room.device) * (room + 1)).long()
    index = (start[:, None] + torch.arange(size, device=start.device))[:, None]
    return latents.gather(2, index.expand(-1, latents.shape[1], -1)), mask.gather(2, index)
