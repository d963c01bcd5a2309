"""Finding systems and metrics: by entry point, or as a class in a file (``./my_system.py:MySystem``)."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from vcbench.base.errors import UserError, did_you_mean
from vcbench.base.escape import brief
from vcbench.base.files import hash_json

FILE_MODULE = "vcbench_file_"  # begins the names of modules that are loaded from files
Kind = Literal["systems", "metrics", "importers"]


class RegistryError(UserError):
    """A system or metric that does not exist or cannot be loaded."""


def names(kind: Kind) -> list[str]:
    """The installed systems or metrics, sorted."""
    return sorted({entry.name for entry in entry_points(group=f"vcbench.{kind}")})


def load(kind: Kind, name: str) -> Any:
    """The class (or function) behind an installed name, or behind ``path/to/file.py:Class``.

    Raises:
        RegistryError: unknown name (the message suggests the closest one), or the file has no such class.
    """
    if ".py:" in name:
        return _from_file(kind, name)
    places = tuple(sys.path)
    if name not in _installed(kind, places):
        _installed.cache_clear()  # it may have been installed since
    entry = _installed(kind, places).get(name)
    if entry is None:
        raise RegistryError(f"There is no {kind[:-1]} {brief(name)!r}.{did_you_mean(name, names(kind))}")
    return entry.load()


@cache
def _installed(kind: Kind, places: tuple[str, ...]) -> dict[str, EntryPoint]:
    """What the packages in `places`, those of sys.path, offer. A run asks a hundred times, and each time all packages are read."""
    return {entry.name: entry for entry in reversed(entry_points(group=f"vcbench.{kind}"))}  # of two the first


def row_name(name: str) -> str:
    """The name of a system's row in the leaderboard: ``./my_system.py:MySystem`` gives ``MySystem``."""
    return name.rsplit(":", 1)[-1]


def _from_file(kind: Kind, name: str) -> Any:
    file, _, attribute = name.rpartition(":")
    try:
        path = Path(file).expanduser().resolve()
        there = path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null character, no such user
        raise RegistryError(f"{name!r} does not name a file ({error}).") from error
    if not there:
        raise RegistryError(f"{name!r} names the file {path}, which does not exist.")
    module_name = f"{FILE_MODULE}{path.stem}_{hash_json(str(path))[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise RegistryError(f"{name!r} names {path}, which is not a Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # it may import modules of its folder
    spec.loader.exec_module(module)
    if not hasattr(module, attribute):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == module_name
        ]
        raise RegistryError(f"{path} has no {attribute!r}.{did_you_mean(attribute, classes)}")
    return getattr(module, attribute)
