"""The base of the one-shot systems of the AdaIN family: from utterances to padded batches and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from vcbench.api.batch import Batch, pad
from vcbench.api.system import NeuralSystem
from vcbench.speech.utterance import Speaker, Utterance

from ..layers.conv import reflect_index


class OneShotModel(Protocol):
    """What `OneShotSystem` needs from its `model`. Mels are (frames, batch, n_mels), masks (frames, batch, 1) or None."""

    multiple: int  # utterance lengths are multiples of it

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor) -> None: ...
    def loss(self, mel: Tensor, mask: Tensor | None) -> dict[str, Tensor]: ...
    def convert(
        self, source: Tensor, source_mask: Tensor | None, target: Tensor, target_mask: Tensor | None
    ) -> Tensor: ...
    def latents(self, mel: Tensor) -> dict[str, Tensor]: ...


def extend(mel: Tensor, multiple: int) -> Tensor:
    """Pad a mel (n_mels, frames) at its end, by reflection, to a multiple of `multiple` frames."""
    frames = mel.shape[-1]
    longer = -(-frames // multiple) * multiple
    return mel if longer == frames else mel[:, reflect_index(torch.arange(longer, device=mel.device), frames)]


def frames_first(mel: Tensor, mask: Tensor, whole: bool = False) -> tuple[Tensor, Tensor | None]:
    """(batch, channels, frames) -> (frames, batch, channels); no mask where every frame is real (`whole`)."""
    return mel.permute(2, 0, 1).contiguous(), None if whole else mask.permute(2, 0, 1).contiguous()


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Run without gradients and in evaluation mode; restore the mode afterwards."""
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        module.train(training)


class OneShotSystem(NeuralSystem):
    """A system around `self.model`, which the subclass sets."""

    model: OneShotModel

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor, batch: Batch) -> None:
        self.model.initialise(mel_mean, mel_deviation)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return self.model.loss(*frames_first(batch.mel, batch.mask, batch.whole))

    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        """Converted mels (n_mels, frames); the first recording of each target is its reference."""
        mels = [mel_of(source, self.mel_settings.n_mels) for source in sources]
        references = [mel_of(first_recording(target), self.mel_settings.n_mels) for target in targets]
        with evaluating(self):
            converted = self.model.convert(*self.batch(mels), *self.batch(references)).permute(1, 2, 0)
        return [result[:, : mel.shape[-1]].contiguous() for result, mel in zip(converted, mels, strict=True)]

    def latents(self, utterance: Utterance) -> dict[str, Tensor]:
        mel = mel_of(utterance, self.mel_settings.n_mels)
        with evaluating(self):
            found = self.model.latents(self.batch([mel])[0])
        return {name: latent.contiguous() for name, latent in found.items()}

    def batch(self, mels: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        extended = [extend(mel, self.model.multiple) for mel in mels]
        return frames_first(*pad(extended, self.device), whole=len({mel.shape[-1] for mel in extended}) == 1)


def first_recording(target: Speaker) -> Utterance:
    if not target.utterances:
        raise ValueError(f"Speaker {target.id!r} has no reference recording; one-shot conversion needs one.")
    return target.utterances[0]


def mel_of(utterance: Utterance, n_mels: int) -> Tensor:
    mel = utterance.mel
    if mel.dim() != 2 or mel.shape[0] != n_mels or mel.shape[1] == 0:
        raise ValueError(
            f"Utterance {utterance.id!r} has a mel of shape {tuple(mel.shape)}; ({n_mels}, frames) with at least one frame "
            "is needed. An empty recording cannot be converted. A different number of bands needs a model trained with it."
        )
    return mel
