"""A second device without one: tensors that say they are on it and hold no values, and a watch for what waits for it.

Importing this registers a device with PyTorch for the whole process, so only `on_second_device` does, as a process of its own.
The registration is an experimental part of PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.stops import Stop


class Backend(backend_registration._DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float32]


backend_registration._setup_privateuseone_for_python_backend("second_device", Backend())
DEVICE = torch.device("second_device", 0)


class OneDevice(TorchDispatchMode):
    """Raises at operators that copy between the device and the host, or make tensors on the host."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.device != DEVICE and result.dim():
            raise Stop(f"{func} gives a tensor on {result.device}")
        return result


@contextmanager
def second_device() -> Iterator[None]:
    """Inside, `DEVICE` can be used. Tensors have no values: what reads one raises, and so does an operator on two devices."""
    with FakeTensorMode(allow_non_fake_inputs=True), enable_python_dispatcher():  # the latter for recurrent layers
        yield


def empty(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=DEVICE)


def place(things: Any) -> None:
    """Move the tensors among an object's attributes to `DEVICE`."""
    for name, value in list(vars(things).items()):
        if isinstance(value, torch.Tensor):
            setattr(things, name, empty(value))


def place_module(module: nn.Module) -> None:
    """Move a module's parameters and buffers to `DEVICE`; `nn.Module.to` cannot exchange tensors that hold no values."""
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(empty(parameter)))
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, empty(buffer))
