"""What a vocoder is, and its settings."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn

from vcbench.base.errors import UserError
from vcbench.base.settings import Strict


class VocoderError(UserError):
    """The vocoder's weights are missing, belong to another model, or need other mel spectrograms."""


class VocoderSettings(Strict):
    """How mels become waves.

    Attributes:
        iterations, momentum: of Griffin-Lim.
        path: the source-filter vocoder's file (by default the one that is part of this software), HiFi-GAN's folder (by
            default the cache of the Hugging Face hub), or MelGAN's checkpoint.
    """

    kind: Literal["griffin-lim", "source-filter", "hifigan", "melgan"] = "griffin-lim"
    iterations: int = Field(default=32, ge=1)
    momentum: float = Field(default=0.99, ge=0, lt=1)
    path: Path | None = None


class Vocoder(Protocol):
    def __call__(self, mels: list[Tensor]) -> list[Tensor]:
        """Log10 mels (n_mels, frames) to waves (frames * hop,)."""
        ...


def read_state(file: Path) -> dict[str, Any]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, OSError) as error:
        raise VocoderError(
            f"{file} cannot be read as weights: it is truncated, or another kind of file ({error})."
        ) from error
    if not isinstance(state, dict):
        raise VocoderError(f"{file} holds a {type(state).__name__}, not a vocoder's weights.")
    return state


def entry(state: dict[str, Any], name: str, file: Path) -> Tensor:
    if not isinstance(state.get(name), Tensor):
        raise VocoderError(f"{file} does not hold this vocoder's weights: it has no {name!r}.")
    return state[name]


def load_state(module: nn.Module, state: dict[str, Any], file: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise VocoderError(f"{file} does not hold this vocoder's weights: {error}") from error
