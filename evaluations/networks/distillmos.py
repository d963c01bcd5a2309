"""The DistillMOS network, read in windows."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import torch
from torch import Tensor, nn

HOP = 160  # samples per frame of DistillMOS
WINDOW = 122_880  # samples per window of DistillMOS
REACH = 16  # frames: more than the convolutions' reach to either side; even


def load_distillmos() -> Any:
    """The package's model, in evaluation mode."""
    from distillmos import ConvTransformerSQAModel

    with contextlib.redirect_stdout(io.StringIO()):  # it prints where it found its weights
        return ConvTransformerSQAModel().eval()


class DistillMos(nn.Module):
    """DistillMOS, with the same values at lower cost: the silence that pads a short recording is not convolved.

    In silence the convolutions give a constant, except for the last frames of the window; both are computed once.
    """

    silence: Tensor  # (1, features, 1)
    end: Tensor  # (1, features, REACH)

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        with torch.inference_mode():
            silence = model.cnn(torch.zeros(1, 4 * REACH * HOP))
        self.register_buffer("silence", silence[..., REACH : REACH + 1])
        self.register_buffer("end", silence[..., -REACH:])

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Waves at 16 kHz, filled up with zeros (batch, samples), and their lengths (batch,) -> (batch,) from 1 to 5."""
        frames = -(-waves.shape[1] // HOP)
        used = 2 * REACH + frames + frames % 2  # two reaches beyond the recording: one is kept, one cut off
        if used > WINDOW // HOP - 2 * REACH:
            return torch.cat(
                [self.model(wave[None, :length])[:, 0] for wave, length in zip(waves, lengths, strict=True)]
            )
        scaled = waves / (waves.abs().amax(1, keepdim=True) + 1e-8)
        start = self.model.cnn(nn.functional.pad(scaled, (0, used * HOP - waves.shape[1])))[..., : -REACH // 2]
        rest = WINDOW // HOP // 2 - start.shape[-1] - self.end.shape[-1]
        middle, end = self.silence.expand(len(waves), -1, rest), self.end.expand(len(waves), -1, -1)
        features = torch.cat([start, middle, end], -1)
        return 1 + 4 * self.model.transformer_pool_attn(features.transpose(1, 2)).flatten()
