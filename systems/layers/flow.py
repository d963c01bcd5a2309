"""Invertible layers over (batch, channels, frames).

All layers have the same interface: ``forward(inputs, mask, condition)`` and ``inverse(inputs, mask, condition)`` return
``(outputs, log_determinant)``; the log-determinant is (batch,), in nats, and that of the direction called. `mask` is
(batch, 1, frames), 1 where real; masked frames come out as zero and do not count. `condition` is the result of the layer's
`project`; layers that have none ignore it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from .wavenet import WaveNet

Projected = list[tuple[Tensor, list[Tensor]]]  # a flow's, for each step: the rotation, and the coupling's condition
SMALLEST_DEVIATION = 1e-3  # smallest initial deviation of ActNorm, so that a constant channel does not explode


def squeeze(inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Stack pairs of frames: (batch, C, frames) -> (batch, 2C, ceil(frames / 2)), and the mask of the pairs.

    The last frame of an utterance of odd length is repeated, so that its last pair is plausible too.
    `unsqueeze` cuts off the repetition.
    """
    if inputs.shape[-1] % 2:
        inputs, mask = nn.functional.pad(inputs, (0, 1)), nn.functional.pad(mask, (0, 1))
    first, second = inputs[..., ::2], inputs[..., 1::2]
    first_mask, second_mask = mask[..., ::2], mask[..., 1::2]
    second = second * second_mask + first * (1 - second_mask)
    return torch.cat([first, second], 1) * first_mask, first_mask


def unsqueeze(inputs: Tensor, mask: Tensor) -> Tensor:
    """The inverse of `squeeze`: (batch, 2C, pairs) -> (batch, C, frames); `mask` masks the frames."""
    pairs = torch.stack(inputs.chunk(2, 1), -1)
    return pairs.flatten(-2)[..., : mask.shape[-1]] * mask


def whole_pairs(mask: Tensor) -> Tensor:
    """Mask (batch, 1, ceil(frames / 2)) of the pairs with two real frames, which the likelihood counts."""
    padded = nn.functional.pad(mask, (0, mask.shape[-1] % 2))
    return padded[..., ::2] * padded[..., 1::2]


def negative_log_likelihood(latent: Tensor, mask: Tensor, log_determinant: Tensor) -> Tensor:
    """(batch,) nats under a standard normal prior; `log_determinant` is the forward direction's."""
    values = mask.sum((1, 2)) * latent.shape[1]
    return 0.5 * ((latent * mask).square().sum((1, 2)) + math.log(2 * math.pi) * values) - log_determinant


class ActNorm(nn.Module):
    """Each channel standardised by a learned mean and deviation (Glow, Kingma and Dhariwal 2018, section 3.1)."""

    initialised: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(channels, 1))
        self.log_deviation = nn.Parameter(torch.zeros(channels, 1))
        self.register_buffer("initialised", torch.tensor(False))

    @torch.no_grad()
    def initialise(self, inputs: Tensor, mask: Tensor) -> None:
        """Set the parameters so that these inputs come out with zero mean and unit variance; only the first call does."""
        if self.initialised:
            return
        count = mask.sum()
        mean = ((inputs * mask).sum((0, 2)) / count)[:, None]
        variance = (((inputs - mean).square() * mask).sum((0, 2)) / count)[:, None]
        self.mean.copy_(mean)
        self.log_deviation.copy_(variance.sqrt().clamp_min(SMALLEST_DEVIATION).log())
        self.initialised.fill_(True)

    def forward(self, inputs: Tensor, mask: Tensor, condition: object = None) -> tuple[Tensor, Tensor]:
        outputs = (inputs - self.mean) * (-self.log_deviation).exp() * mask
        return outputs, -self.log_deviation.sum() * mask.sum((1, 2))

    def inverse(self, inputs: Tensor, mask: Tensor, condition: object = None) -> tuple[Tensor, Tensor]:
        outputs = (inputs * self.log_deviation.exp() + self.mean) * mask
        return outputs, self.log_deviation.sum() * mask.sum((1, 2))


def rotations(turns: Sequence[Tensor]) -> list[Tensor]:
    """Cayley transforms (I + S)^-1 (I - S) of skew-symmetric S, of whose entries (n, n) only the strictly lower triangle counts.

    Without the check that a GPU would have to be waited for: I + S is never singular. In full precision: rounded to bfloat16
    they would not be rotations. On a GPU all layers' in one batch; on a CPU one by one, which is as fast, and PyTorch's batched
    inverse fails there with several threads (2.11 with oneMKL: "Pivots given to lu_solve must all be greater or equal to 1").
    """
    with torch.autocast(turns[0].device.type, enabled=False):
        lower = torch.stack(list(turns)).tril(-1)
        identity = torch.eye(lower.shape[-1], dtype=lower.dtype, device=lower.device)
        parts = (identity + lower - lower.mT).split(1 if lower.device.type == "cpu" else len(lower))
        inverse = torch.cat([torch.linalg.inv_ex(part)[0] for part in parts])
        return list((2 * inverse - identity).unbind())


class InvertibleConvolution(nn.Module):
    """A 1x1 convolution whose matrix is a rotation, the Cayley transform of a skew-symmetric matrix with random start.

    Glow (section 3.2) starts from a rotation and learns an unconstrained matrix. Here it stays a rotation, and ActNorm and
    the couplings do the scaling: the log-determinant is zero, the inverse is the transpose, and neither direction magnifies
    rounding. (An LU decomposition of 160 channels, with its entries perturbed by 0.02, has a condition number of 25, and
    twelve of them cannot be inverted in float32.)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        # With this deviation the angles fill most of the circle.
        self.turn = nn.Parameter(torch.randn(channels, channels) / channels**0.5)

    def project(self, condition: object = None) -> Tensor:
        """The matrix (channels, channels), orthogonal, that `forward` and `inverse` take. It depends on no condition."""
        return rotations([self.turn])[0]

    def forward(self, inputs: Tensor, mask: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(inputs.device.type, enabled=False):
            return torch.matmul(matrix, inputs), inputs.new_zeros(len(inputs))

    def inverse(self, inputs: Tensor, mask: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(inputs.device.type, enabled=False):
            return torch.matmul(matrix.T, inputs), inputs.new_zeros(len(inputs))


class AffineCoupling(nn.Module):
    """Half of the channels standardised by a mean and a deviation predicted from the other half and the condition.

    RealNVP's coupling (Dinh et al. 2017) with scale and shift in the order that suits decoding: the inverse is
    ``inputs * deviation + mean``. A system that learns from samples of the prior can then remove their noise
    without removing the mean; with ``(inputs - shift) / scale`` it got stuck at an unconditional mean.

    The log-deviation is bounded smoothly, ``limit * tanh(raw / limit)``: without the bound it sometimes explodes in the
    direction that was not trained. Starts as the identity.

    Args:
        channels: even.
        condition: channels of the condition before `project`.
        width, layers, kernel, dilation: sizes of the `WaveNet`.
        limit: largest absolute log-deviation.
    """

    def __init__(
        self, channels: int, condition: int, width: int, layers: int, kernel: int, dilation: int, limit: float
    ) -> None:
        super().__init__()
        if channels % 2:
            raise ValueError(f"A coupling needs an even number of channels; received {channels}.")
        self.network = WaveNet(channels // 2, channels, condition, width, layers, kernel, dilation)
        self.limit = limit

    def project(self, condition: Tensor) -> list[Tensor]:
        """Project (batch, condition, frames) to the condition that `forward` and `inverse` take."""
        return self.network.project(condition)

    def _mean_and_log_deviation(self, kept: Tensor, mask: Tensor, condition: list[Tensor]) -> tuple[Tensor, Tensor]:
        mean, raw = (self.network(kept, mask, condition).to(kept.dtype) * mask).chunk(2, 1)
        return mean, self.limit * torch.tanh(raw / self.limit)

    def forward(self, inputs: Tensor, mask: Tensor, condition: list[Tensor]) -> tuple[Tensor, Tensor]:
        kept, changed = inputs.chunk(2, 1)
        mean, log_deviation = self._mean_and_log_deviation(kept, mask, condition)
        return torch.cat([kept, (changed - mean) * (-log_deviation).exp()], 1), -log_deviation.sum((1, 2))

    def inverse(self, inputs: Tensor, mask: Tensor, condition: list[Tensor]) -> tuple[Tensor, Tensor]:
        kept, changed = inputs.chunk(2, 1)
        mean, log_deviation = self._mean_and_log_deviation(kept, mask, condition)
        return torch.cat([kept, changed * log_deviation.exp() + mean], 1), log_deviation.sum((1, 2))


class Flow(nn.Module):
    """Steps of ActNorm, invertible 1x1 convolution and affine coupling (Glow, figure 2a).

    Args:
        channels: channels of the data, even.
        condition: channels of the condition before `project`.
        steps: how often the three layers repeat.
        width, layers, kernel, dilation, limit: settings of each coupling.
    """

    def __init__(
        self,
        channels: int,
        condition: int,
        steps: int,
        width: int,
        layers: int,
        kernel: int,
        dilation: int = 1,
        limit: float = 2.0,
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ActNorm(channels) for _ in range(steps))
        self.convolutions = nn.ModuleList(InvertibleConvolution(channels) for _ in range(steps))
        self.couplings = nn.ModuleList(
            AffineCoupling(channels, condition, width, layers, kernel, dilation, limit) for _ in range(steps)
        )

    def project(self, condition: Tensor) -> Projected:
        """What depends on (batch, condition, frames) or on the parameters alone, for `forward` and `inverse`, once for both."""
        matrices = rotations([cast(InvertibleConvolution, convolution).turn for convolution in self.convolutions])
        conditions = [cast(AffineCoupling, coupling).project(condition) for coupling in self.couplings]
        return list(zip(matrices, conditions, strict=True))

    def _walk(self, projected: Projected) -> list[tuple[Any, Any]]:
        """Every layer in the forward order, with its part of what `project` gave."""
        steps = zip(self.norms, self.convolutions, self.couplings, projected, strict=True)
        walk: list[tuple[Any, Any]] = []
        for norm, convolution, coupling, (matrix, condition) in steps:
            walk += [(norm, None), (convolution, matrix), (coupling, condition)]
        return walk

    @torch.no_grad()
    def initialise(self, inputs: Tensor, mask: Tensor, projected: Projected) -> None:
        """Initialise every ActNorm from these inputs, as they arrive at the layer."""
        for layer, part in self._walk(projected):
            if isinstance(layer, ActNorm):
                layer.initialise(inputs, mask)
            inputs, _ = layer(inputs, mask, part)

    def forward(self, inputs: Tensor, mask: Tensor, projected: Projected) -> tuple[Tensor, Tensor]:
        """Data to latent."""
        total = inputs.new_zeros(len(inputs))
        for layer, part in self._walk(projected):
            inputs, log_determinant = layer(inputs, mask, part)
            total = total + log_determinant
        return inputs, total

    def inverse(self, inputs: Tensor, mask: Tensor, projected: Projected) -> tuple[Tensor, Tensor]:
        """Latent to data."""
        total = inputs.new_zeros(len(inputs))
        for layer, part in reversed(self._walk(projected)):
            inputs, log_determinant = layer.inverse(inputs, mask, part)
            total = total + log_determinant
        return inputs, total
