"""Small flows and synthetic utterances for tests."""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from vcbench.systems.ae_flow.system import AEFlow
from vcbench.systems.flowvc.system import FlowVC
from vcbench.systems.nd_flow.system import NDFlow
from vcbench.systems.shared.mel_flow.system import MelFlow

from vcbench.api.batch import Batch, collate
from vcbench.api.settings import TrainingSettings
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.features.speaker import ge2e
from vcbench.speech.utterance import Utterance

SYSTEMS = [FlowVC, AEFlow, NDFlow]


MEL = MelSettings(n_mels=8)


PHONES = 5


SMALL = {
    "steps": 3, "width": 8, "layers": 2, "kernel": 3, "condition_channels": 12, "condition_layers": 2, "phones": PHONES,
    "speaker_channels": 6, "speaker_width": 8,
}  # fmt: skip


@dataclass
class InMemory:
    """Features of synthetic utterances, generated from their ids, with the interface of a FeatureStore."""

    frames: dict[str, int]
    unvoiced: set[str] = field(default_factory=set)
    mel_settings: MelSettings = MEL
    sampling_rate: int = MEL.sampling_rate

    def _generator(self, utterance: Utterance) -> torch.Generator:
        return torch.Generator().manual_seed(sum(utterance.id.encode()))

    def wave(self, utterance: Utterance) -> Tensor:
        return torch.randn(self.frames[utterance.id] * MEL.hop, generator=self._generator(utterance)) / 10

    def mel(self, utterance: Utterance) -> Tensor:
        return torch.randn(MEL.n_mels, self.frames[utterance.id], generator=self._generator(utterance)) - 2

    def pitch(self, utterance: Utterance) -> tuple[Tensor, Tensor]:
        voiced = torch.rand(self.frames[utterance.id], generator=self._generator(utterance)) < 0.6
        voiced &= utterance.id not in self.unvoiced
        return torch.where(voiced, 5.0 + torch.linspace(0, 1, len(voiced)), 0.0), voiced

    def phones(self, utterance: Utterance) -> Tensor:
        return torch.arange(self.frames[utterance.id]) // 3 % PHONES

    def ge2e(self, utterance: Utterance) -> Tensor:
        return ge2e(self.wave(utterance).numpy(), self.sampling_rate)


def utterances(**frames: int) -> list[Utterance]:
    """Utterances named ``speaker_number``, with these numbers of frames."""
    store = InMemory(frames)
    return [Utterance(name, name.split("_")[0], Path(name), features=store) for name in frames]


def small(kind: type[MelFlow], **changes) -> MelFlow:
    training = TrainingSettings(
        steps=4, batch_size=4, frames=12, learning_rate=1e-3, reference_frames=10, evaluate_every=2
    )
    return kind(kind.Config(**{**SMALL, "training": training, **changes}), MEL)


def trained(kind: type[MelFlow], **changes) -> MelFlow:
    """A system with every parameter moved away from its initial value."""
    system = small(kind, **changes)
    torch.manual_seed(3)
    system.initialise(torch.full((8,), -2.0), torch.ones(8), training_batch())
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return system.eval()


def training_batch() -> Batch:
    batch = collate(utterances(a_1=12, a_2=11, b_1=7), MelFlow.needs)
    references = collate(utterances(a_3=10, a_4=9, b_2=10), ("mel",))
    batch.reference, batch.reference_mask, batch.speaker = references.mel, references.mask, torch.tensor([0, 0, 1])
    return batch
