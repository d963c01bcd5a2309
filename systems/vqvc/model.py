"""VQVC+'s autoencoder: Wu, Chen and Lee 2020, "VQVC+: One-shot voice conversion by vector quantization and U-Net architecture",
in the form of its published code (github.com/ericwudayi/SkipVQVC).

Tensors are (frames, batch, channels); masks (frames, batch, 1) or None. Level i has 2^(i+1) times fewer frames and channels
than the mel.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vcbench.api.settings import SystemConfig, TrainingSettings

from ..layers.adain import instance_norm, masked, mean_absolute_error
from ..layers.conv import Convolution
from .quantise import Codebook

GROUPS = 4  # of group normalisation
EPSILON = 1e-4  # added to a norm
SPEAKER_NORM = 1 / 3  # of each level's speaker embedding; a code's is about 1


class VQVCConfig(SystemConfig):
    """Sizes of the published model.

    Attributes:
        hidden: channels between the two convolutions of every block; a multiple of 4.
        codes: size of each level's codebook, from the first level to the deepest.
        latent_weight: weight of the distance between frames and their codes.
    """

    hidden: PositiveInt = Field(512, multiple_of=GROUPS)
    codes: tuple[PositiveInt, ...] = Field((32, 64, 128), min_length=1)
    latent_weight: NonNegativeFloat = 0.1
    training: TrainingSettings = TrainingSettings(steps=100_000, learning_rate=1e-3)


class GroupNorm(nn.GroupNorm):
    """nn.GroupNorm (same weights, same result) over the real frames of (frames, batch, channels)."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:  # type: ignore[override]
        groups = x.to(self.weight.dtype).unflatten(-1, (self.num_groups, -1))
        real = groups.new_ones(x.shape[0], 1, 1, 1) if mask is None else mask[..., None]
        count = real.sum(0) * groups.shape[-1]
        mean = (groups * real).sum((0, 3), keepdim=True) / count
        centred = (groups - mean) * real
        variance = centred.square().sum((0, 3), keepdim=True) / count
        normal = (centred * (variance + self.eps).rsqrt()).flatten(-2)
        return torch.addcmul(self.bias, normal, self.weight)


class EncoderBlock(nn.Module):
    """Halves the frames and changes the channels."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first = Convolution(inputs, hidden, 4, 2)
        self.second = Convolution(hidden, outputs, 3)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        shorter = None if mask is None else mask[::2]
        x = F.leaky_relu(self.first(F.pad(masked(x, mask), (0, 0, 0, 0, 1, 1)), padded=True))
        return self.second(masked(x, shorter)), shorter


class Block(nn.Module):
    """Convolution, group normalisation, LeakyReLU, convolution."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.first = Convolution(channels, hidden, 3)
        self.norm = GroupNorm(GROUPS, hidden)
        self.second = Convolution(hidden, channels, 3)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = F.leaky_relu(self.norm(self.first(masked(x, mask)), mask))
        return self.second(masked(x, mask))


class Level(NamedTuple):
    """What the encoder finds at one level: `content` (frames, batch, channels), `speaker` (batch, channels), the frames' mask."""

    content: Tensor
    speaker: Tensor
    mask: Tensor | None


class Encoder(nn.Module):
    """Each level goes on to the next as it is; what goes to the decoder is quantised."""

    def __init__(self, config: VQVCConfig, n_mels: int) -> None:
        super().__init__()
        sizes = [n_mels >> level for level in range(len(config.codes) + 1)]
        self.blocks = nn.ModuleList(EncoderBlock(inputs, config.hidden, outputs) for inputs, outputs in pairwise(sizes))
        self.codebooks = nn.ModuleList(map(Codebook, config.codes, sizes[1:]))

    def forward(self, mel: Tensor, mask: Tensor | None) -> tuple[list[Level], Tensor]:
        """The levels, from the first, and the sum of their distances to the codes."""
        levels, distance, x = [], mel.new_zeros(()), mel
        for block, codebook in zip(self.blocks, self.codebooks, strict=True):
            x, mask = block(x, mask)
            content, loss = codebook(F.normalize(instance_norm(x, mask, correction=0)[0], dim=-1), mask)
            levels.append(Level(content, rest(x - content, mask), mask))
            distance = distance + loss
        return levels, distance


def rest(difference: Tensor, mask: Tensor | None) -> Tensor:
    """The speaker: the mean over time of what quantisation leaves over, at the length `SPEAKER_NORM`."""
    mean = difference.mean(0) if mask is None else (difference * mask).sum(0) / mask.sum(0)
    return SPEAKER_NORM * mean / (mean.norm(dim=-1, keepdim=True) + EPSILON)


class DecoderLevel(nn.Module):
    """Adds a level's content and speaker, doubles the frames, and doubles the channels."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.join, self.block, self.refine = (Block(channels, hidden) for _ in range(3))

    def forward(self, x: Tensor | None, level: Level, speaker: Tensor, longer: Tensor | None) -> Tensor:
        joined = self.join(level.content + speaker, level.mask)
        x = (joined if x is None else x + joined).repeat_interleave(2, dim=0)
        x = x + self.block(x, longer)
        return torch.cat([x, x + self.refine(x, longer)], dim=-1)


def whole(mel: Tensor, mask: Tensor | None, multiple: int) -> tuple[Tensor, Tensor | None]:
    """Pad a batch by masked frames to a multiple of `multiple`."""
    missing = -mel.shape[0] % multiple
    if not missing:
        return mel, mask
    mask = mel.new_ones(*mel.shape[:2], 1) if mask is None else mask
    return F.pad(mel, (0, 0, 0, 0, 0, missing)), F.pad(mask, (0, 0, 0, 0, 0, missing))


class VQVCModel(nn.Module):
    """What it converts is a multiple of `multiple` frames long."""

    def __init__(self, config: VQVCConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.multiple = 2 ** len(config.codes)
        if n_mels % self.multiple:
            raise ValueError(
                f"VQVC+ halves the mel's bands once per level: with {len(config.codes)} codebooks their number must be a multiple "
                f"of {self.multiple}, and is {n_mels}. Change features.mel.n_mels, or the number of entries of codes."
            )
        self.encoder = Encoder(config, n_mels)
        sizes = [n_mels >> level for level in range(1, len(config.codes) + 1)]
        self.decoder = nn.ModuleList(DecoderLevel(channels, config.hidden) for channels in sizes)

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor) -> None:
        """Start the output near the corpus's mean mel, which saves a few hundred steps."""
        low, high = mel_mean.chunk(2)
        last = dict(self.decoder[0].named_parameters())
        with torch.no_grad():
            last["block.second.bias"].copy_(low)
            last["refine.second.bias"].copy_(high - low)

    def decode(self, levels: list[Level], speakers: list[Tensor], mask: Tensor | None) -> Tensor:
        """From the deepest level to the first."""
        masks = [mask, *(level.mask for level in levels[:-1])]
        x = None
        for decoder, *found in reversed(list(zip(self.decoder, levels, speakers, masks, strict=True))):
            x = decoder(x, *found)
        assert x is not None
        return x

    def loss(self, mel: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """L1 of the mel's reconstruction, and the levels' distances to their codes; `dead_codes` counts, and is not minimised."""
        mel, mask = whole(mel, mask, self.multiple)
        levels, latent = self.encoder(mel, mask)
        decoded = self.decode(levels, [level.speaker for level in levels], mask)
        reconstruction = mean_absolute_error(decoded, mel, mask)
        dead = torch.stack([part.dead for part in self.encoder.modules() if isinstance(part, Codebook)]).sum()
        total = reconstruction + self.config.latent_weight * latent
        return {"total": total, "reconstruction": reconstruction, "latent": latent, "dead_codes": dead}

    def convert(self, source: Tensor, source_mask: Tensor | None, target: Tensor, target_mask: Tensor | None) -> Tensor:
        levels, _ = self.encoder(source, source_mask)
        speakers = [level.speaker for level in self.encoder(target, target_mask)[0]]
        return self.decode(levels, speakers, source_mask)

    def latents(self, mel: Tensor) -> dict[str, Tensor]:
        """One utterance (frames, 1, n_mels) -> all levels' codes, at the first level's rate, and all levels' speakers."""
        levels, _ = self.encoder(mel, None)
        first = levels[0].content.shape[0]
        contents = [level.content.repeat_interleave(first // level.content.shape[0], dim=0) for level in levels]
        return {
            "content": torch.cat(contents, dim=-1)[:, 0].t(),
            "speaker": torch.cat([level.speaker for level in levels], dim=-1)[0],
        }
