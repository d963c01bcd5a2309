"""Where arithmetic must be float32 as it stands, whatever the caller or a GPU's defaults allow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Inside, no autocast, and no TF32 in convolutions or matrix products; the settings are restored afterwards.

    TF32, cuDNN's default for convolutions, keeps 10 of a float32's 23 bits of the inputs.
    """
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(products)
