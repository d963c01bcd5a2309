"""A batch of crops or utterances, padded and masked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vcbench.speech.features.pitch import normalise_log_f0
from vcbench.speech.utterance import Utterance


@dataclass
class Batch:
    """A padded batch. Padded frames are zero in every tensor and in `mask`.

    Shapes: mel (batch, n_mels, frames); mask (batch, 1, frames), 1 where real; log_f0 (batch, 1, frames), the contour
    that `normalise_log_f0` makes of a whole utterance; voiced (batch, 1, frames) 0 or 1; phones (batch, frames) int64;
    reference (batch, n_mels, reference_frames) another recording of the same speaker, with reference_mask; speaker
    (batch,) int64, index of the training speaker. What a system does not ask for in `needs` is ``None``. `whole` says that
    every frame of `mel` is real, so that a system may leave the mask out; a GPU would have to be waited for to see it.
    """

    mel: Tensor
    mask: Tensor
    log_f0: Tensor | None = None
    voiced: Tensor | None = None
    phones: Tensor | None = None
    reference: Tensor | None = None
    reference_mask: Tensor | None = None
    speaker: Tensor | None = None
    whole: bool = False

    @property
    def lengths(self) -> Tensor:
        """(batch,) int64: real frames."""
        return self.mask[:, 0].sum(-1).long()


def pad(tensors: Sequence[Tensor], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Stack tensors (..., frames) of different lengths: (batch, ..., longest) and a mask (batch, 1, longest)."""
    longest = max(tensor.shape[-1] for tensor in tensors)
    stacked = torch.zeros(len(tensors), *tensors[0].shape[:-1], longest, dtype=tensors[0].dtype, device=device)
    mask = torch.zeros(len(tensors), 1, longest, device=device)
    for row, tensor in enumerate(tensors):
        stacked[row, ..., : tensor.shape[-1]] = tensor.to(device)
        mask[row, :, : tensor.shape[-1]] = 1
    return stacked, mask


def collate(utterances: Sequence[Utterance], needs: Sequence[str], device: torch.device | str = "cpu") -> Batch:
    """Whole utterances as one padded batch with the features in `needs` ("mel", "pitch", "phones")."""
    mel, mask = pad([utterance.mel for utterance in utterances], device)
    batch = Batch(mel=mel, mask=mask)
    if "pitch" in needs:
        contours = [normalise_log_f0(utterance.log_f0, utterance.voiced)[None] for utterance in utterances]
        batch.log_f0 = pad(contours, device)[0]
        batch.voiced = pad([utterance.voiced[None].float() for utterance in utterances], device)[0]
    if "phones" in needs:
        batch.phones = pad([utterance.phones for utterance in utterances], device)[0]
    return batch


def noise_generator(seed: int, *names: str) -> torch.Generator:
    """A CPU generator that depends on `seed` and `names` alone, so that no batch neighbour changes a sample."""
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
