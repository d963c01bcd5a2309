"""Reading the checkpoint of a system: the header first, so that a file's claims take no memory before they are checked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from vcbench.base.errors import UserError

Module = TypeVar("Module", bound=nn.Module)
SHOWN = 3  # names that a message lists
SLACK = 8  # as many layers and numbers as a file has weights, a model may have before it is refused
MOST_CONSTANTS = 50_000_000  # numbers of buffers that a checkpoint does not hold, such as windows and filters


class CheckpointError(UserError):
    """A checkpoint that cannot be used: truncated, of another system, or of another mel configuration."""


class Header(NamedTuple):
    """What a checkpoint says before any weight is read: its description of itself, and each weight's shape."""

    description: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


def read_header(path: Path) -> Header:
    """A checkpoint's description of itself (`NeuralSystem.description`) and the shapes of its weights.

    Raises:
        CheckpointError: the file is not there, truncated, or not a checkpoint of vcbench.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("vcbench")
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint {path}.") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is not a usable vcbench checkpoint ({error}). Train the system again, or name another file."
        ) from error
    return Header(_description(path, text), shapes)


def _description(path: Path, text: str | None) -> dict[str, Any]:
    wanted = {"system": str, "version": int, "config": dict, "mel": dict, "seed": int}
    try:
        found = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(type(found.get(key)) is not kind for key, kind in wanted.items()):
        raise CheckpointError(
            f"{path} is not a vcbench checkpoint: it does not say which system it holds, with which settings. Use a "
            "checkpoint.safetensors of a run, or one that `vcbench import` wrote."
        )
    return found


def read_weights(path: Path) -> dict[str, Tensor]:
    """A checkpoint's weights by name.

    Raises:
        CheckpointError: it cannot be read, or has weights that are infinite or not numbers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}). Train the system again, or name another file."
        ) from error
    refuse_not_finite(path, state)
    return state


def refuse_not_finite(path: Path, state: Mapping[str, Tensor]) -> None:
    """Refuse weights that are infinite or not numbers: a model that has them answers with nothing else."""
    bad = [name for name, value in state.items() if value.is_floating_point() and not value.float().isfinite().all()]
    if bad:
        raise CheckpointError(
            f"{path} has weights that are infinite or not numbers: {listed(bad)}. The training diverged or the file was "
            "changed; train the system again, or name another file."
        )


def build_checked(path: Path, shapes: Mapping[str, tuple[int, ...]], build: Callable[[], Module]) -> Module:
    """Build a model whose sizes a file says: first as one that takes no memory, to see whether the file has its weights.

    Args:
        shapes: of the file's weights, by name.
        build: the model with the sizes of the file's description.

    Raises:
        CheckpointError: the description asks for other weights than the file has.
    """
    try:
        model = _build_within(path, shapes, build, "meta")
    except _NeedsValues:
        model = _build_within(path, shapes, build, "cpu")
    refuse_other_shapes(path, shapes, {name: tuple(value.shape) for name, value in model.state_dict().items()})
    return build()


class _NeedsValues(Exception):
    """Building the model looks at values, which a model without memory does not have."""


def _build_within(
    path: Path, shapes: Mapping[str, tuple[int, ...]], build: Callable[[], Module], device: str
) -> Module:
    try:
        with _no_larger_than(path, shapes), torch.device(device):
            return build()
    except CheckpointError:
        raise
    except (RuntimeError, ValueError, OverflowError, MemoryError, TypeError) as error:
        if device == "meta" and "meta" in str(error):
            raise _NeedsValues from error
        raise CheckpointError(f"{path}: no model can be built by its settings: {error}") from error


@contextmanager
def _no_larger_than(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[None]:
    """Stop building a model that has far more layers or numbers than a file has weights for."""
    layers, numbers = SLACK * (len(shapes) + 1), SLACK * sum(map(prod, shapes.values())) + MOST_CONSTANTS
    registered = Counter[str]()

    def count(module: nn.Module, name: str, value: Tensor | nn.Module | None) -> None:
        registered["layers"] += 1
        registered["numbers"] += value.numel() if isinstance(value, Tensor) else 0
        if registered["layers"] > layers or registered["numbers"] > numbers:
            raise CheckpointError(
                f"{path}: its settings ask for a model that is far larger than the {len(shapes)} weights of the file. "
                "Nothing was loaded; train the system again, or name another file."
            )

    hooks = (
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
        register_module_module_registration_hook(count),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def refuse_other_shapes(
    path: Path, found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuse weights that are missing, unknown, or of other sizes."""
    missing, unknown = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    other = [name for name in wanted if name in found and found[name] != wanted[name]]
    problems = []
    if missing:
        problems.append(f"it lacks {listed(missing)}")
    if unknown:
        problems.append(f"it has unknown weights {listed(unknown)}")
    if other:
        first = other[0]
        problems.append(f"{first} is {list(found[first])} in the file and {list(wanted[first])} by its settings")
    if problems:
        raise CheckpointError(
            f"{path}: weights and settings do not belong together: {'; '.join(problems)}. Nothing was loaded; train the "
            "system again, or name another file."
        )


def listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
