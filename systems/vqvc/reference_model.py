"""The published architecture with PyTorch's layers and the published names: the baseline for our speed.

It also checks `model.py`: with the same weights both give the same loss and gradients. Tensors are (batch, channels, frames), as in
the published code; no masks: every utterance of a batch has the same length, a multiple of 2 to the number of levels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vcbench.api.batch import Batch

from .model import VQVCConfig


class Codebook(nn.Module):
    def __init__(self, channels: int, codes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, frames) of length one -> codes of the same shape, and their distance."""
        vectors = x.transpose(1, 2)
        directions = F.normalize(self.embedding.weight.detach(), dim=1)
        chosen = (vectors.detach()[:, :, None] - directions).square().sum(-1).argmin(-1)
        codes = self.embedding(chosen)
        straight = vectors + (codes - vectors).detach()
        return ((codes + straight) / 2).transpose(1, 2), (codes - vectors).square().mean()


class Block(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv1d(channels, hidden, 3, padding=1),
            nn.GroupNorm(4, hidden),
            nn.LeakyReLU(),
            nn.Conv1d(hidden, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Decoder(nn.Module):
    """The published decoder also has a `block0`, which it does not use."""

    def __init__(self, sizes: list[int], hidden: int) -> None:
        super().__init__()
        self.resblock, self.blocks, self.blocks_refine = (
            nn.ModuleList(Block(channels, hidden) for channels in reversed(sizes)) for _ in range(3)
        )

    def forward(self, contents: list[Tensor], speakers: list[Tensor]) -> Tensor:
        x = contents[-1].new_zeros(())
        layers = zip(self.resblock, self.blocks, self.blocks_refine, contents[::-1], speakers[::-1], strict=True)
        for join, block, refine, content, speaker in layers:
            x = F.interpolate(x + join(content + speaker), scale_factor=2, mode="nearest")
            x = x + block(x)
            x = torch.cat([x, x + refine(x)], 1)
        return x


class ReferenceVQVC(nn.Module):
    def __init__(self, config: VQVCConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        sizes = [n_mels // 2**level for level in range(len(config.codes) + 1)]
        self.enc = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(inputs, config.hidden, 4, stride=2, padding=1),
                nn.LeakyReLU(),
                nn.Conv1d(config.hidden, outputs, 3, padding=1),
            )
            for inputs, outputs in pairwise(sizes)
        )
        self.quantize = nn.ModuleList(map(Codebook, sizes[1:], config.codes))
        self.dec = Decoder(sizes[1:], config.hidden)

    def encode(self, mel: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Contents (batch, channels, frames) and speakers (batch, channels, 1) of all levels, and the distance to the codes."""
        contents, speakers, distance, x = [], [], mel.new_zeros(()), mel
        for block, codebook in zip(self.enc, self.quantize, strict=True):
            x = block(x)
            codes, loss = codebook(F.normalize(F.instance_norm(x), dim=1))
            mean = (x - codes).mean(2, keepdim=True)
            speakers.append(mean / (mean.norm(dim=1, keepdim=True) + 1e-4) / 3)
            contents.append(codes)
            distance = distance + loss
        return contents, speakers, distance

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        contents, speakers, distance = self.encode(batch.mel)
        reconstruction = F.l1_loss(self.dec(contents, speakers), batch.mel)
        return {"total": reconstruction + self.config.latent_weight * distance}
