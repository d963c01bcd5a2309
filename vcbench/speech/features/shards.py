"""Shards: files of many features each, whole once they are there, and the index of what they hold.

A shard is a safetensors file. Its tensors are named KEY/NAME; its metadata has for each key the names and the notes. The index is
read from the headers, so that a hundred thousand features are found without a file for each. Tensors are mapped from the file.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vcbench.base.files import hash_json, whole_file

Feature = tuple[dict[str, Tensor], dict[str, str]]  # tensors and notes
OPEN = 64  # shards that are kept open
SETTLED = 1e8  # nanoseconds after which a folder's time tells whether it has changed
logger = logging.getLogger(__name__)


class Shards:
    """The shards in a folder, which other processes may add to. A shard is never changed.

    Args:
        folder: created on the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index: dict[str, tuple[Path, list[str], dict[str, str]]] = {}  # key -> shard, names, notes
        self._read: set[str] = set()  # shards, by name
        self._seen: int | None = None  # the folder's time when it was read
        self._open: OrderedDict[Path, Any] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def notes(self, key: str) -> dict[str, str] | None:
        found = self._find(key)
        return found and found[2]

    def get(self, key: str) -> Feature | None:
        """
        Raises:
            OSError: the shard cannot be read.
        """
        found = self._find(key)
        if found is None:
            return None
        path, names, notes = found
        try:
            file = self._opened(path)
            return {name: file.get_tensor(f"{key}/{name}") for name in names}, notes
        except (FileNotFoundError, SafetensorError) as error:
            self._forget(path, error)
            return None

    def write(self, features: dict[str, Feature]) -> None:
        """Write a shard, completely or not at all.

        Raises:
            OSError, PlaceError: it cannot be written.
        """
        tensors = {f"{key}/{name}": one for key, (own, _) in features.items() for name, one in own.items()}
        metadata = {key: json.dumps([list(own), notes]) for key, (own, notes) in features.items()}
        path = (
            self.folder / f"{hash_json(sorted(features))}.safetensors"
        )  # the same features in two processes: one shard
        with whole_file(path) as temporary:
            save_file(tensors, temporary, metadata)
        self._enter(path, metadata)

    def _find(self, key: str) -> tuple[Path, list[str], dict[str, str]] | None:
        if key not in self._index:
            self._refresh()
        return self._index.get(key)

    def _refresh(self) -> None:
        """Read the headers of shards that are new, if the folder has changed."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except FileNotFoundError:
            return
        if changed == self._seen:
            return
        self._seen = changed if time.time_ns() - changed > SETTLED else None
        for path in self.folder.glob("[!.]*.safetensors"):
            if path.name not in self._read:
                try:
                    with safe_open(path, "pt") as file:
                        self._enter(path, file.metadata() or {})
                except (FileNotFoundError, SafetensorError) as error:
                    self._forget(path, error)

    def _enter(self, path: Path, metadata: dict[str, str]) -> None:
        self._read.add(path.name)
        self._index |= {key: (path, *_parsed(about)) for key, about in metadata.items()}

    def _opened(self, path: Path) -> Any:
        if path not in self._open:
            self._open[path] = safe_open(path, "pt")
        self._open.move_to_end(path)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return self._open[path]

    def _forget(self, path: Path, error: Exception) -> None:
        """Do without a shard that is damaged, and is deleted, or that another process has deleted."""
        logger.warning("The cached features %s are damaged (%s); they are computed again.", path, error)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        self._read.add(path.name)
        self._open.pop(path, None)
        self._index = {key: found for key, found in self._index.items() if found[0] != path}


@lru_cache(maxsize=256)
def _parsed(about: str) -> list[Any]:
    """Names and notes; most features have the same, which are one object then."""
    found: list[Any] = json.loads(about)
    return found
