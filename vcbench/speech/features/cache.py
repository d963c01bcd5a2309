"""A cache of features: in memory up to a limit, and on disk in one safetensors file each."""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vcbench.base.errors import UserError
from vcbench.base.files import PlaceError, hash_file, write_bytes
from vcbench.base.state import find_state, write_memo

Feature = tuple[dict[str, Tensor], dict[str, str]]  # tensors and notes, as a safetensors file holds them
logger = logging.getLogger(__name__)


class CacheError(UserError):
    """The cache's folder cannot be read or written, e.g. because the disk is full."""


class FeatureCache:
    """Features by kind and key (64 hexadecimal digits). Returned tensors are shared: do not modify them.

    Args:
        folder: created on the first write.
        memory_limit: bytes kept in memory; the least recently used features are dropped first.
    """

    def __init__(self, folder: Path, memory_limit: int) -> None:
        self.folder = folder
        self.memory_limit = memory_limit
        self._memory: OrderedDict[str, Feature] = OrderedDict()
        self._memory_bytes = 0

    def path(self, kind: str, key: str) -> Path:
        return self.folder / kind / key[:2] / f"{key}.safetensors"

    def holds(self, kind: str, key: str) -> bool:
        return key in self._memory or _exists(self.path(kind, key))

    def get(self, kind: str, key: str) -> Feature | None:
        """The feature, or None if it is not cached or its file is damaged (which is logged)."""
        if (feature := self.recall(key)) is not None:
            return feature
        path = self.path(kind, key)
        try:
            with safe_open(path, "pt") as file:
                feature = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(path, error) from error
        except SafetensorError as error:
            logger.warning("The cached feature %s is damaged (%s); it is computed again.", path, error)
            return None
        self.remember(key, feature)
        return feature

    def notes(self, kind: str, key: str) -> dict[str, str] | None:
        """Only a feature's notes; of its file, only the header is read."""
        if key in self._memory or not _exists(self.path(kind, key)):
            feature = self.get(kind, key)
            return feature and feature[1]
        try:
            with safe_open(self.path(kind, key), "pt") as file:
                return file.metadata() or {}
        except SafetensorError:
            return None  # `get` logs it when the feature itself is needed

    def put(self, kind: str, key: str, feature: Feature) -> None:
        """Write to disk, completely or not at all, and keep in memory.

        Raises:
            CacheError: the file cannot be written.
        """
        _write(self.path(kind, key), save(feature[0], feature[1] or None))
        self.remember(key, feature)

    def recall(self, key: str) -> Feature | None:
        """The feature, if it is in memory."""
        if key in self._memory:
            self._memory.move_to_end(key)
        return self._memory.get(key)

    def remember(self, key: str, feature: Feature) -> None:
        """Keep in memory only."""
        if key in self._memory:
            self._memory_bytes -= _size(self._memory.pop(key))
        self._memory[key] = feature
        self._memory_bytes += _size(feature)
        while self._memory_bytes > self.memory_limit:
            _, forgotten = self._memory.popitem(last=False)
            self._memory_bytes -= _size(forgotten)


class ContentHashes:
    """SHA-256 of files, cached by path, size and modification time, so that a large corpus is read only once."""

    def __init__(self, memo: Path) -> None:
        self.memo = memo
        self._known: dict[str, list[int | str]] | None = None
        self._new: dict[str, list[int | str]] = {}

    def __call__(self, path: Path) -> str:
        """Hexadecimal digest.

        Raises:
            OSError: the file cannot be read.
        """
        if self._known is None:
            self._known = self._load()
        name = str(path.absolute())
        state = path.stat()
        known = self._known.get(name)
        if known is None or known[:2] != [state.st_size, state.st_mtime_ns]:
            known = [state.st_size, state.st_mtime_ns, hash_file(path)]
            self._known[name] = self._new[name] = known
        return str(known[2])

    def save(self) -> None:
        """Add new hashes to the file, which other processes may have extended meanwhile."""
        if self._new:
            try:
                write_memo(self.memo, {"files": self._load() | self._new})
            except (OSError, PlaceError) as error:
                raise _unusable(self.memo, error) from error
            self._new = {}

    def _load(self) -> dict[str, list[int | str]]:
        """What the file holds; nothing, with a warning, if it is damaged: then files are hashed again."""
        content = find_state(self.memo)
        return {} if content is None else content["files"]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:  # e.g. a name that is too long
        raise _unusable(path, error) from error


def _write(path: Path, content: bytes) -> None:
    try:
        write_bytes(path, content)
    except (OSError, PlaceError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> CacheError:
    return CacheError(
        f"The feature cache cannot be used: {path}: {error.__cause__ or error}. Check free space and permissions, or choose "
        "another folder with the environment variable VCBENCH_CACHE."
    )


def _size(feature: Feature) -> int:
    return sum(tensor.nbytes for tensor in feature[0].values()) + 1024  # and roughly the size of Python's objects
