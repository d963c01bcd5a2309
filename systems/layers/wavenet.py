"""A gated WaveNet, not causal, that sees a condition in every layer (WaveGlow, Prenger et al. 2019, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class WaveNet(nn.Module):
    """Dilated convolutions with tanh and sigmoid gates, residual and skip connections.

    The condition also reaches the output directly, so that a flow quickly learns the mean for each condition.
    `project` projects it separately, so that a second pass through the network, in the flow's other direction,
    does not compute it again. The output starts at zero.

    Args:
        inputs, outputs, condition: numbers of channels.
        width: channels of the hidden layers.
        layers: number of gated layers.
        kernel: width of the gated convolutions in frames, odd.
        dilation: layer i has dilation ``dilation ** i``.
    """

    def __init__(
        self, inputs: int, outputs: int, condition: int, width: int, layers: int, kernel: int, dilation: int = 1
    ) -> None:
        super().__init__()
        self.start = nn.Conv1d(inputs, width, 1)
        # One small convolution per layer: a single one for all is slower, because its output exceeds a CPU's cache.
        self.projections = nn.ModuleList(nn.Conv1d(condition, 2 * width, 1) for _ in range(layers))
        self.direct = nn.Conv1d(condition, outputs, 1, bias=False)
        self.gates = nn.ModuleList(
            # No bias: the projected condition has one.
            nn.Conv1d(
                width,
                2 * width,
                kernel,
                padding=dilation**layer * (kernel // 2),
                dilation=dilation**layer,
                bias=False,
            )
            for layer in range(layers)
        )
        # The last layer needs no residual output.
        self.mixes = nn.ModuleList(
            nn.Conv1d(width, width if layer == layers - 1 else 2 * width, 1) for layer in range(layers)
        )
        self.end = nn.Conv1d(width, outputs, 1)
        for parameter in (*self.end.parameters(), *self.direct.parameters()):
            nn.init.zeros_(parameter)

    def project(self, condition: Tensor) -> list[Tensor]:
        """(batch, condition, frames) -> one (batch, 2 * width, frames) per layer, and one (batch, outputs, frames)."""
        return [projection(condition) for projection in (*self.projections, self.direct)]

    def forward(self, inputs: Tensor, mask: Tensor, projected: Sequence[Tensor]) -> Tensor:
        """(batch, inputs, frames) -> (batch, outputs, frames); values at masked frames are undefined.

        Args:
            mask: (batch, 1, frames), 1 where real.
            projected: the result of `project`.
        """
        hidden = self.start(inputs) * mask
        skipped = torch.zeros_like(hidden)
        *biases, direct = projected
        for gate, mix, bias in zip(self.gates, self.mixes, biases, strict=True):
            signal, opening = (gate(hidden) + bias).chunk(2, 1)
            mixed = mix(torch.tanh(signal) * torch.sigmoid(opening))
            if mix.out_channels > hidden.shape[1]:
                residual, mixed = mixed.chunk(2, 1)
                hidden = (hidden + residual) * mask
            skipped = skipped + mixed
        return self.end(skipped) + direct
