"""The published architecture with PyTorch's layers and the published names: the baseline for our speed.

It also checks `model.py`: with the same weights both give the same loss and gradients. Mels are (batch, frames, n_mels), as in the
published code; no masks: every utterance of a batch has the same length, a multiple of the factor.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vcbench.api.batch import Batch

from ..shared.mel_flow.speaker import GE2E_CHANNELS
from .model import AutoVCConfig, scale


class Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Projection(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear_layer = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear_layer(x)


def stack(*channels: int) -> nn.ModuleList:
    """Convolutions from each number of channels to the next, each with a batch normalisation."""
    return nn.ModuleList(nn.Sequential(Convolution(*pair), nn.BatchNorm1d(pair[1])) for pair in pairwise(channels))


class Encoder(nn.Module):
    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        hidden = config.hidden
        self.factor = config.factor
        self.convolutions = stack(n_mels + GE2E_CHANNELS, hidden, hidden, hidden)
        self.lstm = nn.LSTM(hidden, config.bottleneck, 2, batch_first=True, bidirectional=True)

    def forward(self, mel: Tensor, speaker: Tensor) -> Tensor:
        """(batch, windows, 2 * bottleneck)."""
        x = torch.cat([mel, speaker[:, None].expand(-1, mel.shape[1], -1)], -1).transpose(1, 2)
        for layer in self.convolutions:
            x = F.relu(layer(x))
        states = self.lstm(x.transpose(1, 2))[0].unflatten(1, (-1, self.factor))
        forwards, backwards = states.chunk(2, -1)
        return torch.cat([forwards[:, :, -1], backwards[:, :, 0]], -1)


class Decoder(nn.Module):
    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        hidden = config.hidden
        self.factor = config.factor
        self.lstm1 = nn.LSTM(2 * config.bottleneck + GE2E_CHANNELS, hidden, 1, batch_first=True)
        self.convolutions = stack(hidden, hidden, hidden, hidden)
        self.lstm2 = nn.LSTM(hidden, config.decoder_hidden, 2, batch_first=True)
        self.linear_projection = Projection(config.decoder_hidden, n_mels)

    def forward(self, codes: Tensor, speaker: Tensor) -> Tensor:
        x = codes.repeat_interleave(self.factor, 1)
        x = self.lstm1(torch.cat([x, speaker[:, None].expand(-1, x.shape[1], -1)], -1))[0].transpose(1, 2)
        for layer in self.convolutions:
            x = F.relu(layer(x))
        return self.linear_projection(self.lstm2(x.transpose(1, 2))[0])


class Postnet(nn.Module):
    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        self.convolutions = stack(n_mels, *[config.hidden] * 4, n_mels)

    def forward(self, mel: Tensor) -> Tensor:
        x = mel.transpose(1, 2)
        for layer in self.convolutions[:-1]:
            x = torch.tanh(layer(x))
        return self.convolutions[-1](x).transpose(1, 2)


class ReferenceAutoVC(nn.Module):
    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config, n_mels), Decoder(config, n_mels)
        self.postnet = Postnet(config, n_mels)

    def loss(self, batch: Batch, speaker: Tensor | None = None) -> dict[str, Tensor]:
        """With the batch's speaker embeddings (batch, 256); zeros where only time is measured."""
        mel = scale(batch.mel.transpose(1, 2))
        if speaker is None:
            speaker = mel.new_zeros(len(mel), GE2E_CHANNELS)
        codes = self.encoder(mel, speaker)
        initial = self.decoder(codes, speaker)
        final = initial + self.postnet(initial)
        content = F.l1_loss(self.encoder(final, speaker), codes)
        weights = self.config.initial_weight, self.config.content_weight
        return {"total": F.mse_loss(final, mel) + weights[0] * F.mse_loss(initial, mel) + weights[1] * content}
