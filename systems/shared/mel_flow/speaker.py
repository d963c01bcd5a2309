"""The speaker embedding of recordings: learned with the system, or pretrained (GE2E)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vcbench.speech.utterance import Utterance

from ...layers.flow import squeeze

GE2E_CHANNELS = 256
GE2E_TRAINING_UTTERANCES = 8  # per speaker; training uses their mean


class SpeakerEncoder(nn.Module):
    """Maps a normalised mel of any length to an embedding of constant norm.

    Convolutions over pairs of frames, then attentive statistics pooling (Okabe et al. 2018) as in ECAPA-TDNN:
    a weighted mean and deviation over time, with separate weights for each channel.
    """

    def __init__(self, n_mels: int, width: int, channels: int) -> None:
        super().__init__()
        self.start = nn.Conv1d(2 * n_mels, width, 5, padding=2)
        self.blocks = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(2))
        self.attention = nn.Conv1d(width, width, 1)
        self.end = nn.Linear(2 * width, channels)

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """(batch, n_mels, frames) and mask (batch, 1, frames) -> (batch, channels), of norm sqrt(channels)."""
        hidden, mask = squeeze(mel, mask)
        hidden = nn.functional.relu(self.start(hidden)) * mask
        for block in self.blocks:
            hidden = (hidden + nn.functional.relu(block(hidden))) * mask
        weights = self.attention(hidden).float().masked_fill(mask == 0, -torch.inf).softmax(-1)
        mean = (weights * hidden).sum(-1)
        variance = (weights * hidden.square()).sum(-1) - mean.square()
        embedding = self.end(torch.cat([mean, variance.clamp_min(1e-5).sqrt()], 1))
        return unit(embedding)


def unit(embedding: Tensor) -> Tensor:
    """Scale (..., channels) to the norm sqrt(channels), so that its values are about one."""
    return nn.functional.normalize(embedding, dim=-1) * embedding.shape[-1] ** 0.5


@torch.inference_mode(False)
def ge2e_embedding(utterances: Sequence[Utterance]) -> Tensor:
    """GE2E's embedding of a speaker (Wan et al. 2018), (256,) on the CPU: the mean over utterances, scaled by `unit`."""
    return unit(torch.stack([utterance.ge2e for utterance in utterances]).mean(0))


def ge2e_table(utterances: Sequence[Utterance]) -> Tensor:
    """(speakers, 256): one row per speaker of these utterances, sorted by id, as numbered in `Batch.speaker`."""
    rows = []
    for speaker in sorted({utterance.speaker for utterance in utterances}):
        own = [utterance for utterance in utterances if utterance.speaker == speaker]
        rows.append(ge2e_embedding(own[:GE2E_TRAINING_UTTERANCES]))
    return torch.stack(rows)
