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
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from vcbench.api.metric import SystemMetric
from vcbench.api.scores import Column, Score
from vcbench.api.system import NeuralSystem

from .networks.probe import CHECK_EVERY, HIDDEN, KERNEL, accuracy, prepare

if TYPE_CHECKING:
    from vcbench.api.metric import RunView
    from vcbench.speech.utterance import Utterance

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
    summary = (
        "Trains a classifier to find the source speaker in a system's content representation: the less "
        "it can, the better."
    )
    columns: ClassVar[dict[str, Column]] = {
        "probe_content": Column("Speaker probe on content (%)", False, 1, percent=True, role="probe"),
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
        test = _first(run.split.held_out, self._test_utterances)
        tested = {utterance.speaker for utterance in test}
        training = _first([u for u in run.split.training if u.speaker in tested], self._training_utterances)
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
