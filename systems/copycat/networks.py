"""CopyCat's networks: phone encoder, condition, reference encoder with its temporal bottleneck, decoder.

Tensors are (batch, channels, frames); masks (batch, 1, frames), 1 where real.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..layers.adain import instance_norm
from ..layers.wavenet import WaveNet
from .settings import CopyCatConfig


class Gaussian(NamedTuple):
    """Independent normals: mean and log-variance (batch, latent_channels, blocks), and the mask of the blocks."""

    mean: Tensor
    log_variance: Tensor
    mask: Tensor

    def sample(self) -> Tensor:
        """A sample, from torch's generator."""
        return (self.mean + (self.log_variance / 2).exp() * torch.randn_like(self.mean)) * self.mask

    def divergence(self) -> Tensor:
        """Kullback-Leibler divergence from the standard normal, in nats, summed over everything real."""
        nats = 0.5 * (self.log_variance.exp() + self.mean.square() - 1 - self.log_variance)
        return (nats * self.mask).sum()


def phone_sequence(phones: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """A frame-aligned sequence of phones as phones in order and their durations.

    A run of equal indices is one phone.

    Args:
        phones: (batch, frames) int64.

    Returns:
        The phones (batch, frames) in order, 0 behind an utterance's last one, and the alignment (batch, frames, frames): 1 in
        a phone's row at its frames. There is room for a phone in each frame, as a GPU would be waited for to count them.
    """
    indices = torch.where(mask[:, 0] > 0, phones, -1)
    changes = indices[:, 1:] != indices[:, :-1]
    position = torch.cat([changes.new_zeros(len(phones), 1), changes], 1).cumsum(1)
    order = torch.zeros_like(phones).scatter_(1, position, phones)
    numbers = torch.arange(phones.shape[1], device=phones.device)
    alignment = (position[:, None] == numbers[:, None]).to(mask) * mask
    return order, alignment


class PhoneEncoder(nn.Module):
    """Encodes each phone once, among its neighbours, and repeats the encoding for the phone's duration."""

    def __init__(self, phones: int, channels: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(phones, channels)
        self.blocks = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in range(layers))

    def forward(self, phones: Tensor, mask: Tensor) -> Tensor:
        """phones (batch, frames) -> (batch, channels, frames)."""
        order, alignment = phone_sequence(phones, mask)
        real = alignment.amax(-1)[:, None]
        hidden = self.embedding(order).transpose(1, 2) * real
        for block in self.blocks:
            hidden = (hidden + nn.functional.relu(block(hidden))) * real
        return hidden @ alignment


class FrameCondition(nn.Module):
    """What varies over time and the speaker, to the condition of a network: (batch, channels, frames)."""

    def __init__(self, inputs: int, channels: int, config: CopyCatConfig) -> None:
        super().__init__()
        self.frames = nn.Conv1d(inputs, channels, 1)
        self.speaker = nn.Linear(config.embedding_channels, channels) if config.use_speaker else None
        self.norm = nn.LayerNorm(channels)

    def forward(self, frames: Sequence[Tensor], speaker: Tensor | None) -> Tensor:
        hidden = self.frames(torch.cat(list(frames), 1))
        if self.speaker is not None:
            hidden = hidden + self.speaker(speaker)[..., None]
        return self.norm(hidden.transpose(1, 2)).transpose(1, 2)


class ReferenceEncoder(nn.Module):
    """The source's mel, given its phones and speaker, to a Gaussian per block of `rate` frames: the temporal bottleneck.

    The mel is normalised per utterance and band, so that what is constant in a recording does not enter.
    """

    def __init__(self, config: CopyCatConfig, n_mels: int, frame_channels: int) -> None:
        super().__init__()
        self.rate = config.rate
        width, layers = config.encoder_width, config.encoder_layers
        self.condition = FrameCondition(frame_channels, width, config)
        self.network = WaveNet(
            n_mels, 2 * config.latent_channels, width, width, layers, config.kernel, config.encoder_dilation
        )

    def forward(self, mel: Tensor, mask: Tensor, frames: Sequence[Tensor], speaker: Tensor | None) -> Gaussian:
        """`frames` are (batch, channels, frames) each, `frame_channels` together."""
        normal = instance_norm(mel.permute(2, 0, 1), mask.permute(2, 0, 1))[0].permute(1, 2, 0)
        projected = self.network.project(self.condition(frames, speaker))
        hidden = self.network(normal, mask, projected).to(mel.dtype)  # the divergence needs full precision
        short = mask[..., :: self.rate]
        mean, log_variance = (hidden[..., :: self.rate] * short).chunk(2, 1)
        return Gaussian(mean, log_variance, short)


class Decoder(nn.Module):
    """Phones, latent, melody, voicing and speaker to the normalised mel, every frame at once."""

    def __init__(self, config: CopyCatConfig, n_mels: int, frame_channels: int) -> None:
        super().__init__()
        width, layers = config.decoder_width, config.decoder_layers
        self.rate = config.rate
        self.condition = FrameCondition(frame_channels + config.latent_channels, width, config)
        self.network = WaveNet(width, n_mels, width, width, layers, config.kernel, config.decoder_dilation)

    def forward(self, latent: Tensor, mask: Tensor, frames: Sequence[Tensor], speaker: Tensor | None) -> Tensor:
        """latent (batch, latent_channels, ceil(frames / rate)) -> (batch, n_mels, frames)."""
        repeated = latent.repeat_interleave(self.rate, -1)[..., : mask.shape[-1]]
        condition = self.condition([*frames, repeated], speaker)
        return self.network(condition * mask, mask, self.network.project(condition)) * mask
