"""The network: a mel spectrogram to F0, voicing, a spectral envelope and the share of noise in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from vcbench.base.settings import Strict
from vcbench.speech.features.mel import centres, filterbank
from vcbench.speech.features.settings import MelSettings


class NetworkSettings(Strict):
    """Sizes.

    Attributes:
        width, inner, blocks, kernel: channels, channels between the two linear layers of a block, blocks, and frames of a
            block's depthwise convolution.
        lowest, highest: Hz, of F0.
        pitches: classes of F0, equally spaced on a logarithmic axis.
    """

    width: int = Field(256, ge=8)
    inner: int = Field(640, ge=8)
    blocks: int = Field(6, ge=1)
    kernel: int = Field(9, ge=1)
    lowest: float = Field(60.0, gt=0)
    highest: float = Field(600.0, gt=0)
    pitches: int = Field(160, ge=2)

    @property
    def step(self) -> float:
        """Between two classes of F0, as a natural logarithm."""
        return math.log(self.highest / self.lowest) / (self.pitches - 1)


@dataclass
class Source:
    """What the network says of a batch of mels.

    Attributes:
        pitch: (batch, pitches, frames), logits of the classes of F0.
        voiced: (batch, frames), logits.
        envelope: (batch, fft_size // 2 + 1, frames), natural logarithm of the power per bin.
        aperiodicity: of the same shape, logarithm of the share of that power which is noise in voiced frames; at most 0.
    """

    pitch: Tensor
    voiced: Tensor
    envelope: Tensor
    aperiodicity: Tensor


class Block(nn.Module):
    """ConvNeXt's block along time (Liu et al. 2022; as in Vocos, Siuzdak 2023)."""

    def __init__(self, width: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, inner)
        self.contract = nn.Linear(inner, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """(batch, frames, width) and mask (batch, frames, 1) -> (batch, frames, width), zero where masked."""
        mixed = self.depthwise(hidden.transpose(1, 2)).transpose(1, 2)
        mixed = self.contract(nn.functional.gelu(self.expand(self.norm(mixed))))
        return (hidden + self.scale * mixed) * mask


class SourceFilterNetwork(nn.Module):
    """Mel spectrogram to the parameters of the synthesis; frames outside the mask change nothing.

    The envelope is what the network adds to the mel itself, interpolated to the bins.
    """

    mean: Tensor  # (n_mels,), of the training corpus, as `deviation`
    deviation: Tensor
    bins: Tensor
    loudness: Tensor  # (n_mels,): makes a flat spectrum of power 1 per bin flat again
    frequencies: Tensor  # (pitches,) Hz

    def __init__(self, settings: NetworkSettings, mel: MelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.mel = mel
        width = settings.width
        self.start = nn.Conv1d(mel.n_mels, width, settings.kernel, padding=settings.kernel // 2)
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width, settings.inner, settings.kernel) for _ in range(settings.blocks))
        self.end = nn.LayerNorm(width)
        self.pitch = nn.Linear(width, settings.pitches)
        bins = mel.fft_size // 2 + 1
        self.voiced = nn.Linear(width, 1)
        self.envelope = nn.Linear(width, bins)
        self.aperiodicity = nn.Linear(width, bins)
        nn.init.zeros_(self.envelope.weight)
        nn.init.zeros_(self.envelope.bias)
        self.register_buffer("mean", torch.zeros(mel.n_mels))
        self.register_buffer("deviation", torch.ones(mel.n_mels))
        self.register_buffer("bins", _interpolation(mel), persistent=False)
        self.register_buffer("loudness", -2 * filterbank(mel).sum(1).log(), persistent=False)
        self.register_buffer(
            "frequencies", settings.lowest * torch.exp(settings.step * torch.arange(settings.pitches)), persistent=False
        )

    def forward(self, mel: Tensor, mask: Tensor) -> Source:
        """(batch, n_mels, frames) log10 mels and mask (batch, 1, frames)."""
        frames, mask = mel.transpose(1, 2), mask.transpose(1, 2)
        normalised = (frames - self.mean) / self.deviation * mask
        hidden = self.norm(self.start(normalised.transpose(1, 2)).transpose(1, 2)) * mask
        for block in self.blocks:
            hidden = block(hidden, mask)
        hidden = self.end(hidden)
        with torch.autocast(mel.device.type, enabled=False):  # bfloat16 would round by a tenth of a neper
            base = (2 * math.log(10) * frames.float() + self.loudness) @ self.bins
        return Source(
            self.pitch(hidden).float().transpose(1, 2),
            self.voiced(hidden).float()[..., 0],
            (base + self.envelope(hidden).float()).transpose(1, 2),
            -nn.functional.softplus(self.aperiodicity(hidden).float()).transpose(1, 2),
        )


def _interpolation(mel: MelSettings) -> Tensor:
    """(n_mels, fft_size // 2 + 1): linear between the bands' centres, constant beyond the first and the last."""
    bins = torch.arange(mel.fft_size // 2 + 1) * mel.sampling_rate / mel.fft_size
    points = torch.as_tensor(centres(mel)).float()
    # Narrow filters can share a bin as their largest; tiny steps keep the order.
    points = points + torch.arange(mel.n_mels) * 1e-3
    after = torch.searchsorted(points, bins).clamp(1, mel.n_mels - 1)
    share = ((bins - points[after - 1]) / (points[after] - points[after - 1])).clamp(0, 1)
    matrix = torch.zeros(mel.n_mels, len(bins))
    matrix[after - 1, torch.arange(len(bins))] += 1 - share
    matrix[after, torch.arange(len(bins))] += share
    return matrix
