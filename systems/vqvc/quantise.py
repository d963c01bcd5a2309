"""Vector quantisation with a codebook learned by gradient (van den Oord, Vinyals and Kavukcuoglu 2017, as VQVC+ has it)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEAD_AFTER = 100  # training steps in which no frame chose a code


class Quantised(NamedTuple):
    """`codes` (frames, batch, channels), one of the codebook's for each frame; `loss`, a scalar: the squared distance to them."""

    codes: Tensor
    loss: Tensor


class Codebook(nn.Module):
    """Codes for vectors of length one. A frame takes the code of the nearest direction, at the code's own length.

    Codes learn by gradient, as in the published code, not by moving averages: half of the decoder's gradient goes to the code and
    half straight through to the encoder, and the distance pulls both towards each other.

    Attributes:
        idle: (codes,) int64, training steps since a frame last chose the code; part of every checkpoint.
    """

    idle: Tensor

    def __init__(self, codes: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(codes, channels), dim=-1))
        self.register_buffer("idle", torch.zeros(codes, dtype=torch.long))

    def forward(self, x: Tensor, mask: Tensor | None) -> Quantised:
        """Quantise `x` (frames, batch, channels), of length one; in training, count the codes that were chosen."""
        chosen = self.nearest(x)
        codes = F.embedding(chosen, self.weight)
        if self.training:
            self.count(chosen, torch.ones_like(x[..., 0]) if mask is None else mask[..., 0].expand(chosen.shape))
        squared = (codes - x).square()
        loss = squared.mean() if mask is None else (squared * mask).sum() / (mask.sum() * x.shape[-1])
        return Quantised((codes + x + (codes - x).detach()) / 2, loss)

    def nearest(self, x: Tensor) -> Tensor:
        """(frames, batch) int64: for vectors of one length the nearest is that of the largest product, in full precision."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            return (x @ F.normalize(self.weight, dim=-1).t()).argmax(-1)

    def count(self, chosen: Tensor, real: Tensor) -> None:
        """`real` is 1 where a frame counts, of the shape of `chosen`."""
        used = torch.zeros_like(self.idle, dtype=real.dtype).scatter_add(0, chosen.flatten(), real.flatten())
        self.idle.add_(1).masked_fill_(used > 0, 0)

    @property
    def dead(self) -> Tensor:
        """A scalar: the number of codes that no frame chose in the last `DEAD_AFTER` training steps."""
        return (self.idle >= DEAD_AFTER).sum()
