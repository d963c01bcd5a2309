"""TF32 as a GPU has it: inputs of convolutions and matrix products rounded to 10 bits, where PyTorch's settings allow it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

CONVOLUTIONS = {"aten.convolution", "aten.convolution_backward"}
PRODUCTS = {"aten.mm", "aten.addmm", "aten.bmm", "aten.baddbmm"}


def rounded(x: Tensor) -> Tensor:
    """To the nearest float32 whose 13 last bits are zero."""
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


class SimulatedTF32(TorchDispatchMode):
    """As on a GPU: convolutions while `torch.backends.cudnn.allow_tf32`, products unless their precision is "highest"."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func.overloadpacket)
        allowed = (name in CONVOLUTIONS and torch.backends.cudnn.allow_tf32) or (
            name in PRODUCTS and torch.get_float32_matmul_precision() != "highest"
        )
        if allowed:
            args = [rounded(x) if isinstance(x, Tensor) and x.dtype == torch.float32 else x for x in args]
        return func(*args, **(kwargs or {}))
