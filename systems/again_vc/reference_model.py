"""The published architecture with PyTorch's layers and the published names: the baseline for our speed.

It also checks `systems/layers/autoencoder.py`: with the same weights both give the same loss and gradients. Tensors are
(batch, channels, frames), as in the published code; no masks: every utterance of a batch has the same length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vcbench.api.batch import Batch

from ..shared.autoencoder import AutoencoderConfig, activate

EPSILON = 1e-5  # added to a variance


class Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def pair(channels: int) -> nn.Sequential:
    """Convolution, batch normalisation, LeakyReLU, convolution."""
    return nn.Sequential(
        Convolution(channels, channels, 3), nn.BatchNorm1d(channels), nn.LeakyReLU(), Convolution(channels, channels, 3)
    )


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation over time, (batch, channels, 1) each."""
    return x.mean(-1, keepdim=True), (x.var(-1, keepdim=True) + EPSILON).sqrt()


def normalise(x: Tensor) -> Tensor:
    mean, deviation = statistics(x)
    return (x - mean) / deviation


class EncoderBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.seq = pair(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.seq(x)


class DecoderBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dec_block, self.gen_block = pair(channels), pair(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dec_block(x)
        return x + y + self.gen_block(y)


class Encoder(nn.Module):
    def __init__(self, config: AutoencoderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.conv1d_first = Convolution(n_mels, config.hidden, 1)
        self.conv1d_blocks = nn.ModuleList(EncoderBlock(config.hidden) for _ in range(config.blocks))
        self.out_layer = Convolution(config.hidden, config.content_channels, 1)

    def forward(self, mel: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the normalised content, and the statistics of every block and, last, of the content."""
        x = self.conv1d_first(mel)
        found = []
        for block in self.conv1d_blocks:
            x = block(x)
            found.append(statistics(x))
            x = normalise(x)
        content = activate(self.out_layer(x), self.config.activation, self.config.alpha)
        return normalise(content), [*found, statistics(content)]


class Decoder(nn.Module):
    def __init__(self, config: AutoencoderConfig, n_mels: int) -> None:
        super().__init__()
        self.over_batch = config.gru_over_batch
        self.in_layer = Convolution(config.content_channels, config.hidden, 3)
        self.conv_blocks = nn.ModuleList(DecoderBlock(config.hidden) for _ in range(config.blocks))
        self.rnn = nn.GRU(config.hidden, config.gru_hidden, config.gru_layers)
        self.out_layer = nn.Linear(config.gru_hidden, n_mels)

    def forward(self, content: Tensor, target: list[tuple[Tensor, Tensor]]) -> Tensor:
        mean, deviation = target[-1]
        x = F.leaky_relu(self.in_layer(content * deviation + mean))
        for block, (mean, deviation) in zip(self.conv_blocks, target[:-1], strict=True):
            x = normalise(block(x)) * deviation + mean
        x = torch.cat([target[-2][0], x], -1)
        x = x.transpose(1, 2)
        # The published code leaves out `batch_first`, so its GRU runs over the batch.
        x = self.rnn(x)[0] if self.over_batch else self.rnn(x.transpose(0, 1))[0].transpose(0, 1)
        return self.out_layer(x).transpose(1, 2)[..., 1:]


class ReferenceAgainVC(nn.Module):
    def __init__(self, config: AutoencoderConfig, n_mels: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(config, n_mels), Decoder(config, n_mels)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        mel = batch.mel
        swapped = torch.roll(mel, -(mel.shape[-1] // 2), dims=-1)
        # The encoder runs twice, as published, each time with the batch's own statistics.
        content, target = self.encoder(mel)[0], self.encoder(swapped)[1]
        return {"total": F.l1_loss(self.decoder(content, target), mel)}
