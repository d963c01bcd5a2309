"""A watch for operators that make the host wait for the device; it works on the CPU, where they cost nothing."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = {
    "aten::_local_scalar_dense": "reads a value (item, float, bool, int)",
    "aten::equal": "reads a value",
    "aten::nonzero": "has as many results as the values say",
    "aten::masked_select": "has as many results as the values say",
    "aten::_unique2": "has as many results as the values say",
    "aten::unique_dim": "has as many results as the values say",
    "aten::repeat_interleave.Tensor": "has as many results as the values say",
    "aten::_linalg_check_errors": "looks whether a matrix is singular",
    "aten::lift_fresh": "copies numbers from the host (torch.tensor)",
}


class Stop(AssertionError):
    """An operator would make the host wait for the device."""


class NoStops(TorchDispatchMode):
    """Raises `Stop` at operators that wait for a device, or index by a mask of booleans."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for name in (func.name(), func.overloadpacket._qualified_op_name):
            if name in WAITING:
                raise Stop(f"{name} {WAITING[name]}")
        indices = args[1] if "index" in func.name() and len(args) > 1 and isinstance(args[1], list | tuple) else ()
        if any(isinstance(index, torch.Tensor) and index.dtype == torch.bool for index in indices):
            raise Stop(f"{func.name()} with a mask of booleans has as many results as the values say")
        return func(*args, **(kwargs or {}))
