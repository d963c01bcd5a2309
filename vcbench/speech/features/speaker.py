"""GE2E's speaker embedding of a wave (Wan et al. 2018), which some systems are conditioned on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vcbench.speech import audio
from vcbench.speech.pretrained.speaker_encoders import RATE, load_ge2e


@lru_cache(maxsize=1)
def _encoder() -> Any:
    return load_ge2e("cpu")


@torch.inference_mode(False)
def ge2e(wave: np.ndarray, rate: int) -> Tensor:
    """(256,) float32 of unit length, on the CPU.

    Args:
        wave: (samples,) float32.
        rate: Hz.

    Raises:
        ModelUnavailable: the encoder's weights are not on this machine.
    """
    return torch.tensor(_encoder().embed_utterance(audio.resample(wave, rate, RATE)))
