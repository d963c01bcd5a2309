"""Speaker probe: how well a classifier recognises the speaker from a system's latents.

The classifier is that of the AGAIN-VC paper (section 4.1): three Conv1d, each with ReLU, then a linear layer. Here it takes the
mean over time before the linear layer, and its input channels are normalised by the training latents' mean and deviation. It is
trained on utterances that the system was trained on, with some of them kept for early stopping, and tested on held-out
utterances of the same speakers. The accuracy should be at chance on the content, and high on the speaker embedding, which is
treated as a sequence of length one. Paper: 1.7% on the content at a chance of 1.25%, 93.2% on the speaker.

Three columns help to read these: `probe_chance`, one over the number of speakers; `probe_control`, the accuracy on the content of
the same classifier trained on permuted labels, which must be near chance; and, where an activation guides the content, `probe_raw`,
the accuracy on the activation's output without normalisation. A sigmoid with a small factor gives values that hardly
differ: without normalisation, a classifier may learn nothing from them although they contain the speaker.

Every row is a test utterance; its value is the share of the seeds whose classifier was right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from vcbench.api.batch import noise_generator, pad
from vcbench.api.metric import SystemMetric
from vcbench.api.scores import Column, Score
from vcbench.api.system import NeuralSystem

if TYPE_CHECKING:
    from vcbench.api.metric import RunView
    from vcbench.speech.utterance import Utterance


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


PROBED = {  # the columns of each latent
    "content": ("probe_content", "probe_control"),
    "activated": ("probe_raw",),
    "speaker": ("probe_speaker",),
}


class SpeakerProbe(SystemMetric):
    """Speaker classification from a system's latents.

    Args: `training_utterances` and `test_utterances`, the maximum per speaker; `seeds`, the number of classifiers; `steps`,
    the maximum number of training steps.
    """

    name = "speaker_probe"
    columns: ClassVar[dict[str, Column]] = {
        "probe_content": Column("Speaker probe on content (%)", False, 1, percent=True),
        "probe_speaker": Column("Speaker probe on speaker embedding (%)", True, 1, percent=True),
        "probe_raw": Column(
            "Speaker probe on raw activated content (%)",
            False,
            1,
            percent=True,
            main=False,
            needs="an activated content embedding",
        ),
        "probe_control": Column("Speaker probe on content, permuted labels (%)", None, 1, percent=True, main=False),
        "probe_chance": Column("Speaker probe, chance (%)", None, 1, percent=True, main=False, exact=True),
    }
    version = 4

    def __init__(
        self, training_utterances: int = 16, test_utterances: int = 8, seeds: int = 1, steps: int = 6000
    ) -> None:
        if min(training_utterances, test_utterances, seeds, steps // CHECK_EVERY) < 1:
            raise ValueError(
                f"training_utterances, test_utterances and seeds must each be at least 1, steps at least {CHECK_EVERY}."
            )
        self._training_utterances = training_utterances
        self._test_utterances = test_utterances
        self._seeds = seeds
        self._steps = steps

    def settings(self) -> dict[str, Any]:
        return {
            "classifier": f"3 x Conv1d({HIDDEN}, {KERNEL}) + ReLU, mean, linear",
            "training utterances per speaker": self._training_utterances,
            "test utterances per speaker": self._test_utterances,
            "seeds": self._seeds,
            "steps": f"until no better, at most {self._steps}",
        }

    def measure(self, system: NeuralSystem, row: str, run: RunView) -> list[Score]:
        training = _first(run.split.training, self._training_utterances)
        test = _first(run.split.held_out, self._test_utterances)
        speakers = sorted({utterance.speaker for utterance in training})
        known = [utterance for utterance in test if utterance.speaker in speakers]
        shares = {"probe_chance": torch.full((len(known),), 1 / len(speakers))}
        train_latents, test_latents = _latents(system, training), _latents(system, known)
        for kind, columns in PROBED.items():
            if kind in train_latents[0]:
                data = prepare(
                    [latent[kind] for latent in train_latents],
                    [speakers.index(utterance.speaker) for utterance in training],
                    [latent[kind] for latent in test_latents],
                    [speakers.index(utterance.speaker) for utterance in known],
                    normalise=kind != "activated",
                )
                for column in columns:
                    results = [
                        accuracy(data, seed, column == "probe_control", self._steps) for seed in range(self._seeds)
                    ]
                    shares[column] = torch.stack(results).float().mean(0)
        return [
            Score(row, column, utterance.id, "all", float(share), source_speaker=utterance.speaker)
            for column, values in shares.items()
            for utterance, share in zip(known, values, strict=True)
        ]


def _first(utterances: Sequence[Utterance], count: int) -> list[Utterance]:
    """The first `count` utterances of each speaker, by id."""
    taken: dict[str, list[Utterance]] = {}
    for utterance in sorted(utterances, key=lambda one: one.id):
        taken.setdefault(utterance.speaker, []).append(utterance)
    return [utterance for own in taken.values() for utterance in own[:count]]


@torch.inference_mode()
def _latents(system: NeuralSystem, utterances: Sequence[Utterance]) -> list[dict[str, Tensor]]:
    """By utterance and kind, (channels, frames) on the system's device."""
    found = []
    for utterance in utterances:
        latents = {
            name: latent if latent.ndim == 2 else latent[:, None] for name, latent in system.latents(utterance).items()
        }
        for name, latent in latents.items():
            if not torch.isfinite(latent).all():
                raise ValueError(f"{system.name}: the {name} latent of {utterance.id} has values that are not finite.")
        found.append(latents)
    return found


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
