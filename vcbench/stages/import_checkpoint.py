"""Importing a checkpoint that another code trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vcbench.api import registry


def import_checkpoint(name: str, file: Path, folder: Path, settings: dict[str, Any]) -> Path:
    """Import a checkpoint of a system's published code, by an importer (entry points ``vcbench.importers``).

    Settings that are None are left to the importer.
    """
    importer = registry.load("importers", name.replace("_", "-"))
    path: Path = importer(file, folder, **{key: value for key, value in settings.items() if value is not None})
    return path
