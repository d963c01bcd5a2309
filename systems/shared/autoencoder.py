"""The autoencoder that AGAIN-VC and the 2-Enc models of its paper share.

Equations and sections are those of Chen, Wu, Wu and Lee 2021, "AGAIN-VC: A one-shot voice conversion using activation
guidance and adaptive instance normalization". Tensors are (frames, batch, channels); a mask is (frames, batch, 1), 1 where
real, or ``None`` where every frame is.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from vcbench.api.settings import SystemConfig

from ..layers.adain import Statistics, adapt, instance_norm, masked, mean_absolute_error, swap_halves
from ..layers.conv import BatchNorm, Convolution

Activation = Literal["none", "relu", "elu", "tanh", "sigmoid"]


class AutoencoderConfig(SystemConfig):
    """Sizes as in the published code, github.com/KimythAnly/AGAIN-VC.

    Attributes:
        hidden: channels of every block.
        content_channels: C, the width of the content embedding.
        activation, alpha: activation guidance of the content embedding; `alpha` is the sigmoid's factor (equation 4).
        gru_over_batch: run the GRU over the batch axis in training and over single frames in conversion, as the
            published code does, instead of over time.
        speaker_input: in training, take the speaker's statistics from the segment with its halves swapped, as
            published, or from the segment itself (a single encoder then runs once per step, not twice).
    """

    hidden: PositiveInt = 256
    content_channels: PositiveInt = 4
    blocks: PositiveInt = 6
    activation: Activation = "sigmoid"
    alpha: PositiveFloat = 0.1
    gru_hidden: PositiveInt = 256
    gru_layers: PositiveInt = 2
    gru_over_batch: bool = False
    speaker_input: Literal["swapped", "same"] = "swapped"


def activate(x: Tensor, name: Activation, alpha: float) -> Tensor:
    match name:
        case "sigmoid":
            return torch.sigmoid(alpha * x)
        case "tanh":
            return torch.tanh(x)
        case "relu":
            return F.relu(x)
        case "elu":
            return F.elu(x)
        case "none":
            return x


def convolution(inputs: int, outputs: int, kernel: int) -> Convolution:
    """A convolution with the published code's initial weights (Glorot, uniform)."""
    layer = Convolution(inputs, outputs, kernel)
    nn.init.xavier_uniform_(layer.weight)
    return layer


class ConvolutionPair(nn.Module):
    """Convolution, batch normalisation, LeakyReLU, convolution: the branch of a residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels, 3)
        self.norm = BatchNorm(channels)
        self.second = convolution(channels, channels, 3)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = F.leaky_relu_(self.norm(self.first(masked(x, mask)), mask))
        return self.second(masked(x, mask))


class Encoding(NamedTuple):
    """`content` (frames, batch, content channels), activated and normalised; `activated`, the same before normalisation;
    `statistics` of every block in the encoder's order and, last, of the content."""

    content: Tensor
    activated: Tensor
    statistics: list[Statistics]


class Encoder(nn.Module):
    """Residual blocks, each followed by an instance normalisation whose statistics are the speaker (section 2.2)."""

    def __init__(self, config: AutoencoderConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.first = convolution(n_mels, config.hidden, 1)
        self.blocks = nn.ModuleList(ConvolutionPair(config.hidden) for _ in range(config.blocks))
        self.last = convolution(config.hidden, config.content_channels, 1)

    def forward(self, mel: Tensor, mask: Tensor | None = None) -> Encoding:
        x = self.first(mel)
        statistics = []
        for block in self.blocks:
            x, mean, deviation = instance_norm(x + block(x, mask), mask)
            statistics.append((mean, deviation))
        activated = activate(self.last(x), self.config.activation, self.config.alpha)
        content, mean, deviation = instance_norm(activated, mask)
        return Encoding(content, activated, [*statistics, (mean, deviation)])


class DecoderBlock(nn.Module):
    """Two residual pairs of convolutions. The paper has one; the second is in its published code."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvolutionPair(channels)
        self.second = ConvolutionPair(channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = self.first(x, mask)
        return x + y + self.second(y, mask)


class Decoder(nn.Module):
    """Blocks that take on the target's statistics from the encoder block of the same index, then a GRU."""

    def __init__(self, config: AutoencoderConfig, n_mels: int) -> None:
        super().__init__()
        self.over_batch = config.gru_over_batch
        self.first = convolution(config.content_channels, config.hidden, 3)
        self.blocks = nn.ModuleList(DecoderBlock(config.hidden) for _ in range(config.blocks))
        self.recurrence = nn.GRU(config.hidden, config.gru_hidden, config.gru_layers)
        self.last = nn.Linear(config.gru_hidden, n_mels)

    def forward(self, content: Tensor, statistics: list[Statistics], mask: Tensor | None = None) -> Tensor:
        """content (frames, batch, channels) normalised, statistics of the target -> mel (frames, batch, n_mels)."""
        mean, deviation = statistics[-1]
        x = F.leaky_relu(self.first(masked(torch.addcmul(mean, content, deviation), mask)))
        for block, block_statistics in zip(self.blocks, statistics[:-1], strict=True):
            x = adapt(block(x, mask), block_statistics, mask)
        last_mean = statistics[-2][0]
        return self.last(self.run_recurrence(torch.cat([last_mean[None], x]))[1:])

    def run_recurrence(self, x: Tensor) -> Tensor:
        if not self.over_batch:
            return self.recurrence(x)[0]
        if self.training:
            return self.recurrence(x.transpose(0, 1).contiguous())[0].transpose(0, 1)
        # The published code converts one utterance at a time, so its GRU sees sequences of one frame.
        return self.recurrence(x.flatten(0, 1)[None])[0][0].view(*x.shape[:2], -1)


class Autoencoder(nn.Module):
    """One encoder for content and speaker (AGAIN-VC), or one for each (the 2-Enc models of section 4.2).

    Utterances must be a multiple of `multiple` frames long.
    """

    multiple = 8  # the published code pads to it by reflection

    def __init__(self, config: AutoencoderConfig, n_mels: int, encoders: Literal[1, 2]) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, n_mels)
        self.speaker_encoder = Encoder(config, n_mels) if encoders == 2 else None
        self.decoder = Decoder(config, n_mels)

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor) -> None:
        """Start the output at the corpus's mean mel, which saves a few hundred steps."""
        with torch.no_grad():
            self.decoder.last.bias.copy_(mel_mean)

    def reconstruct(self, mel: Tensor, mask: Tensor | None) -> Tensor:
        """Reconstruct mel (frames, batch, n_mels) with itself as source and, swapped, as target."""
        swap = self.config.speaker_input == "swapped"
        if self.speaker_encoder is not None:
            content = self.encoder(mel, mask).content
            statistics = self.speaker_encoder(swap_halves(mel, mask) if swap else mel, mask).statistics
        elif not swap:
            content, _, statistics = self.encoder(mel, mask)
        else:
            batch = mel.shape[1]
            both_masks = None if mask is None else torch.cat([mask, mask], dim=1)
            both = self.encoder(torch.cat([mel, swap_halves(mel, mask)], dim=1), both_masks)
            content = both.content[:, :batch]
            statistics = [(mean[batch:], deviation[batch:]) for mean, deviation in both.statistics]
        return self.decoder(content, statistics, mask)

    def loss(self, mel: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """L1 between the mel and its reconstruction (equation 1, as a mean)."""
        return {"total": mean_absolute_error(self.reconstruct(mel, mask), mel, mask)}

    def convert(self, source: Tensor, source_mask: Tensor | None, target: Tensor, target_mask: Tensor | None) -> Tensor:
        content = self.encoder(source, source_mask).content
        statistics = (self.speaker_encoder or self.encoder)(target, target_mask).statistics
        return self.decoder(content, statistics, source_mask)

    def latents(self, mel: Tensor) -> dict[str, Tensor]:
        """One utterance (frames, 1, n_mels) -> content and activated content (content channels, frames); the speaker is the
        blocks' means, then deviations."""
        encoding = self.encoder(mel)
        statistics = encoding.statistics if self.speaker_encoder is None else self.speaker_encoder(mel).statistics
        means, deviations = zip(*statistics[:-1], strict=True)
        return {
            "content": encoding.content[:, 0].t(),
            "activated": encoding.activated[:, 0].t(),
            "speaker": torch.cat([*means, *deviations], dim=1)[0],
        }
