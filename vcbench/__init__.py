"""vcbench: a benchmark of voice conversion (VC) systems."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "convert", "load_run", "score"]


def __getattr__(name: str) -> Any:
    """What `vcbench.library` offers, imported when first used: PyTorch takes seconds. `__init__.pyi` has the types."""
    if name in ("convert", "load_run", "score"):
        return getattr(importlib.import_module("vcbench.library"), name)
    raise AttributeError(f"module 'vcbench' has no attribute {name!r}")
