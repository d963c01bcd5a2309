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

    def forward(self, wave: Tensor) -> Tensor:
        """(samples,) at 16 kHz -> a scalar from 1 to 5."""
        frames = -(-len(wave) // HOP)
        used = 2 * REACH + frames + frames % 2  # two reaches beyond the recording: one is kept, one cut off
        if used > WINDOW // HOP - 2 * REACH:
            return self.model(wave[None])[0, 0]
        scaled = wave / (wave.abs().max() + 1e-8)
        start = self.model.cnn(nn.functional.pad(scaled, (0, used * HOP - len(wave)))[None])[..., : -REACH // 2]
        middle = self.silence.expand(-1, -1, WINDOW // HOP // 2 - start.shape[-1] - self.end.shape[-1])
        features = torch.cat([start, middle, self.end], -1)
        return 1 + 4 * self.model.transformer_pool_attn(features.transpose(1, 2))[0]
