"""Checkpoints of AGAIN-VC's published code (github.com/KimythAnly/AGAIN-VC) as checkpoints of this system."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vcbench.api.checkpoint import CheckpointError
from vcbench.speech.features.settings import MelSettings

from ..shared.autoencoder import Activation
from .system import AgainConfig, AgainVC

# Patterns in the published code's state dict, and their replacements here.
NAMES = (
    (r"(seq|dec_block|gen_block)\.0\.conv\.", r"\1.first."),
    (r"(seq|dec_block|gen_block)\.1\.", r"\1.norm."),
    (r"(seq|dec_block|gen_block)\.3\.conv\.", r"\1.second."),
    (r"\.conv1d_blocks\.(\d+)\.seq\.", r".blocks.\1."),
    (r"\.conv_blocks\.(\d+)\.dec_block\.", r".blocks.\1.first."),
    (r"\.conv_blocks\.(\d+)\.gen_block\.", r".blocks.\1.second."),
    (r"\.(conv1d_first|in_layer)\.conv\.", ".first."),
    (r"\.out_layer\.(conv\.)?", ".last."),
    (r"\.rnn\.", ".recurrence."),
)


def import_checkpoint(path: Path, out_dir: Path, **settings: Any) -> Path:
    """Write ``out_dir/checkpoint.safetensors`` from a published checkpoint; `settings` as in `convert_checkpoint`."""
    checkpoint = out_dir / "checkpoint.safetensors"
    convert_checkpoint(path, **settings).save(checkpoint)
    return checkpoint


def convert_checkpoint(
    path: Path, gru_over_batch: bool = True, activation: Activation = "sigmoid", alpha: float = 0.1
) -> AgainVC:
    """Read a published checkpoint of any width, in evaluation mode.

    The file holds the state dict itself, or a dict with the state dict under "model" (the published trainer also saves
    "optimizer" and "steps"). The file does not say the activation or that its GRU ran over the batch: these are arguments.

    Raises:
        CheckpointError: the file is not a checkpoint of that model, or cannot be read without running code from it.
    """
    state = {rename(name): value for name, value in read_state(path).items()}
    return from_state(state, path, gru_over_batch, activation, alpha)


def read_state(path: Path) -> dict[str, Tensor]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {path}.") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a PyTorch checkpoint without running code from it ({error}). "
            "It must be the file that AGAIN-VC's trainer saved, or a state dict saved with torch.save."
        ) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("model"), Mapping):
        loaded = loaded["model"]
    if not isinstance(loaded, Mapping) or not all(isinstance(value, Tensor) for value in loaded.values()):
        keys = ", ".join(map(str, loaded)) if isinstance(loaded, Mapping) else type(loaded).__name__
        raise CheckpointError(f"{path} holds no state dict, at the top level or under 'model'; it holds: {keys[:200]}.")
    return dict(loaded)


def rename(name: str) -> str:
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return f"model.{name}"


def from_state(
    state: Mapping[str, Tensor], path: Path, gru_over_batch: bool, activation: Activation, alpha: float
) -> AgainVC:
    """Build the system with the sizes of these weights, and load them."""
    try:
        hidden, n_mels = state["model.encoder.first.weight"].shape[:2]
        config = AgainConfig(
            hidden=hidden,
            content_channels=state["model.encoder.last.weight"].shape[0],
            blocks=count(state, r"model\.encoder\.blocks\.(\d+)\."),
            activation=activation,
            alpha=alpha,
            gru_hidden=state["model.decoder.last.weight"].shape[1],
            gru_layers=count(state, r"model\.decoder\.recurrence\.weight_hh_l(\d+)$"),
            gru_over_batch=gru_over_batch,
        )
        system = AgainVC(config, MelSettings(n_mels=n_mels))
        system.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of AGAIN-VC's published model: {error}") from error
    return system.eval()


def count(state: Mapping[str, Tensor], pattern: str) -> int:
    """One more than the highest number that `pattern` captures."""
    numbers = [int(match[1]) for match in map(re.compile(pattern).match, state) if match]
    return max(numbers, default=-1) + 1
