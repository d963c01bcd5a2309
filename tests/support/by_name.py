"""A function by its module's name, which is imported where it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def by_name(module: str, name: str) -> Any:
    return getattr(import_module(module), name)
