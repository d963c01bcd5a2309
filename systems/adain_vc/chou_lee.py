"""The original AdaIN-VC: Chou and Lee 2019, "One-shot voice conversion by separating speaker and content representations
with instance normalization", with the sizes of the published code (github.com/jjery2243542/adaptive_voice_conversion).

Tensors are (frames, batch, channels); masks (frames, batch, 1) or None. The content has an eighth of the frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from vcbench.base.settings import Strict

from ..layers.adain import adapt, instance_norm, masked, mean_absolute_error
from ..layers.conv import Convolution, reflect_frames

STRIDES = (1, 2, 1, 2, 1, 2)  # of the encoders' blocks; the decoder's blocks upsample by the same factors, reversed
CORRECTION = 0  # variances divide by the number of frames, as in nn.InstanceNorm1d


class OriginalConfig(Strict):
    """Settings of the original model.

    Attributes:
        channels: channels of every hidden layer.
        bank, bank_channels: convolutions of 1 to `bank` frames at the encoders' input, and the channels of each.
        content_channels, speaker_channels: channels of the two embeddings.
        dense_blocks: residual dense blocks after the speaker encoder's pooling.
        reconstruction_weight, divergence_weight: weights of the loss's two terms.
        annealing_steps: steps over which the divergence's weight rises from 0.
    """

    channels: PositiveInt = 128
    kernel: PositiveInt = 5
    bank: PositiveInt = 8
    bank_channels: PositiveInt = 128
    content_channels: PositiveInt = 128
    speaker_channels: PositiveInt = 128
    dense_blocks: NonNegativeInt = 6
    reconstruction_weight: PositiveFloat = 10.0
    divergence_weight: NonNegativeFloat = 1.0
    annealing_steps: PositiveInt = 20_000


def convolve(layer: nn.Module, x: Tensor, mask: Tensor | None) -> Tensor:
    """Apply `layer` to `x` padded by reflection."""
    assert isinstance(layer, Convolution)
    kernel = layer.kernel_size[0]
    return layer(reflect_frames(x, kernel // 2, (kernel - 1) // 2, mask) if kernel > 1 else x, padded=True)


def normalise(x: Tensor, mask: Tensor | None) -> Tensor:
    return instance_norm(x, mask, CORRECTION)[0]


def halve(x: Tensor, mask: Tensor | None) -> Tensor:
    """Average pairs of frames; an odd last frame stays unchanged."""
    real = x.new_ones(x.shape[0], 1, 1) if mask is None else mask
    odd = (0, 0, 0, 0, 0, x.shape[0] % 2)
    total = F.pad(x * real, odd).unflatten(0, (-1, 2)).sum(1)
    return total / F.pad(real, odd).unflatten(0, (-1, 2)).sum(1).clamp(min=1)


class Bank(nn.Module):
    """Parallel convolutions of 1 to `bank` frames, concatenated with the input and projected to `channels`."""

    def __init__(self, config: OriginalConfig, n_mels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Convolution(n_mels, config.bank_channels, k) for k in range(1, config.bank + 1))
        self.join = Convolution(config.bank * config.bank_channels + n_mels, config.channels, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        convolved = [F.relu(convolve(layer, x, mask)) for layer in self.layers]
        return self.join(torch.cat([*convolved, x], dim=-1))


class EncoderBlock(nn.Module):
    """Two convolutions, the second with a stride, and a residual connection; normalised in the content encoder only."""

    def __init__(self, config: OriginalConfig, stride: int, normalised: bool) -> None:
        super().__init__()
        self.stride, self.normalised = stride, normalised
        self.first = Convolution(config.channels, config.channels, config.kernel)
        self.second = Convolution(config.channels, config.channels, config.kernel, stride)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        shorter = None if mask is None else mask[:: self.stride]
        y = convolve(self.first, x, mask)
        y = convolve(self.second, F.relu(normalise(y, mask) if self.normalised else y), mask)
        y = F.relu(normalise(y, shorter) if self.normalised else y)
        return y + (halve(x, mask) if self.stride == 2 else x), shorter


class ContentEncoder(nn.Module):
    """Returns the mean and log-variance of the content, (frames / 8, batch, content_channels), and its mask."""

    def __init__(self, config: OriginalConfig, n_mels: int) -> None:
        super().__init__()
        self.bank = Bank(config, n_mels)
        self.blocks = nn.ModuleList(EncoderBlock(config, stride, normalised=True) for stride in STRIDES)
        self.mean = Convolution(config.channels, config.content_channels, 1)
        self.log_variance = Convolution(config.channels, config.content_channels, 1)

    def forward(self, mel: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        x = F.relu(normalise(self.bank(mel, mask), mask))
        for block in self.blocks:
            x, mask = block(x, mask)
        return self.mean(x), self.log_variance(x), mask


class SpeakerEncoder(nn.Module):
    """Returns the speaker embedding (batch, speaker_channels)."""

    def __init__(self, config: OriginalConfig, n_mels: int) -> None:
        super().__init__()
        width = config.channels
        self.bank = Bank(config, n_mels)
        self.blocks = nn.ModuleList(EncoderBlock(config, stride, normalised=False) for stride in STRIDES)
        self.dense = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
            for _ in range(config.dense_blocks)
        )
        self.last = nn.Linear(width, config.speaker_channels)

    def forward(self, mel: Tensor, mask: Tensor | None) -> Tensor:
        x = F.relu(self.bank(mel, mask))
        for block in self.blocks:
            x, mask = block(x, mask)
        pooled = x.mean(0) if mask is None else (x * mask).sum(0) / mask.sum(0)
        for dense in self.dense:
            pooled = pooled + dense(pooled)
        return self.last(pooled)


class DecoderBlock(nn.Module):
    """Two convolutions, each followed by AdaIN with the speaker's mean and deviation; the second upsamples."""

    def __init__(self, config: OriginalConfig, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.first = Convolution(config.channels, config.channels, config.kernel)
        self.second = Convolution(config.channels, config.channels * factor, config.kernel)
        self.first_style = nn.Linear(config.speaker_channels, 2 * config.channels)
        self.second_style = nn.Linear(config.speaker_channels, 2 * config.channels)

    def forward(self, x: Tensor, speaker: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        longer = None if mask is None else mask.repeat_interleave(self.factor, dim=0)
        mean, deviation = self.first_style(speaker).chunk(2, dim=-1)
        y = F.relu(adapt(convolve(self.first, x, mask), (mean, deviation), mask, CORRECTION))
        y = shuffle(convolve(self.second, y, mask), self.factor)
        mean, deviation = self.second_style(speaker).chunk(2, dim=-1)
        y = F.relu(adapt(y, (mean, deviation), longer, CORRECTION))
        return y + x.repeat_interleave(self.factor, dim=0), longer


def shuffle(x: Tensor, factor: int) -> Tensor:
    """Sub-pixel upsampling: (frames, batch, channels * factor) -> (frames * factor, batch, channels)."""
    return x.unflatten(-1, (-1, factor)).permute(0, 3, 1, 2).flatten(0, 1)


class Decoder(nn.Module):
    def __init__(self, config: OriginalConfig, n_mels: int) -> None:
        super().__init__()
        self.first = Convolution(config.content_channels, config.channels, 1)
        self.blocks = nn.ModuleList(DecoderBlock(config, factor) for factor in reversed(STRIDES))
        self.last = Convolution(config.channels, n_mels, 1)

    def forward(self, content: Tensor, speaker: Tensor, mask: Tensor | None) -> Tensor:
        x = F.relu(normalise(self.first(content), mask))
        for block in self.blocks:
            x, mask = block(x, speaker, mask)
        return self.last(x)


class OriginalAutoencoder(nn.Module):
    """A variational autoencoder of the content, conditioned on the speaker.

    Mels are normalised per band with the training corpus's mean and deviation. The checkpoint keeps both, and the
    number of training steps, on which the weight of the divergence depends.
    """

    multiple = 1
    mel_mean: Tensor
    mel_deviation: Tensor
    steps: Tensor

    def __init__(self, config: OriginalConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.content_encoder = ContentEncoder(config, n_mels)
        self.speaker_encoder = SpeakerEncoder(config, n_mels)
        self.decoder = Decoder(config, n_mels)
        self.register_buffer("mel_mean", torch.zeros(n_mels))
        self.register_buffer("mel_deviation", torch.ones(n_mels))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor) -> None:
        self.mel_mean.copy_(mel_mean)
        self.mel_deviation.copy_(mel_deviation)

    def loss(self, mel: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """In training, sample the content from torch's generator and count a step; otherwise use its mean."""
        x = (mel - self.mel_mean) / self.mel_deviation
        mean, log_variance, short_mask = self.content_encoder(x, mask)
        content = mean
        if self.training:
            content = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
            self.steps.add_(1)
        decoded = self.decoder(content, self.speaker_encoder(x, mask), short_mask)[: mel.shape[0]]
        reconstruction = mean_absolute_error(decoded, x, mask)
        divergence = 0.5 * masked_mean(log_variance.exp() + mean.square() - 1 - log_variance, short_mask)
        weight = self.config.divergence_weight * (self.steps / self.config.annealing_steps).clamp(max=1)
        total = self.config.reconstruction_weight * reconstruction + weight * divergence
        return {"total": total, "reconstruction": reconstruction, "divergence": divergence}

    def convert(self, source: Tensor, source_mask: Tensor | None, target: Tensor, target_mask: Tensor | None) -> Tensor:
        content, _, short_mask = self.content_encoder((source - self.mel_mean) / self.mel_deviation, source_mask)
        speaker = self.speaker_encoder((target - self.mel_mean) / self.mel_deviation, target_mask)
        return self.decoder(content, speaker, short_mask) * self.mel_deviation + self.mel_mean

    def latents(self, mel: Tensor) -> dict[str, Tensor]:
        """One utterance (frames, 1, n_mels) -> content (content_channels, frames / 8), speaker (speaker_channels,)."""
        x = (mel - self.mel_mean) / self.mel_deviation
        return {"content": self.content_encoder(x, None)[0][:, 0].t(), "speaker": self.speaker_encoder(x, None)[0]}


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    return x.mean() if mask is None else masked(x, mask).sum() / (mask.sum() * x.shape[-1])
