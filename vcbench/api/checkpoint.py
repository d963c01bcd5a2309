"""Reading the checkpoint of a system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from vcbench.base.errors import UserError


class CheckpointError(UserError):
    """A checkpoint that cannot be used: truncated, of another system, or of another mel configuration."""


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A checkpoint's description of itself (`NeuralSystem.description`), and its weights by name.

    Raises:
        CheckpointError: the file is not there, truncated, or no checkpoint of vcbench.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            description = json.loads((file.metadata() or {})["vcbench"])
            return description, {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a usable vcbench checkpoint ({error}). Train the system again, or name another file."
        ) from error
