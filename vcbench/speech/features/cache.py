"""A cache of features: in memory up to a limit, and on disk in shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vcbench.base.errors import UserError
from vcbench.base.files import PlaceError, hash_file
from vcbench.base.state import find_state, write_memo
from vcbench.speech.features.memory import Memory, size
from vcbench.speech.features.shards import Feature, Shards

GATHERED = 512, 2**26  # features and bytes of a shard, at most


class CacheError(UserError):
    """The cache's folder cannot be read or written, e.g. because the disk is full."""


class FeatureCache:
    """Features by kind and key (64 hexadecimal digits). Returned tensors are shared: do not modify them.

    Args:
        folder: created on the first write.
        memory_limit: bytes kept in memory.
    """

    def __init__(self, folder: Path, memory_limit: int) -> None:
        self.folder = folder
        self._memory = Memory(memory_limit)
        self._shards: dict[str, Shards] = {}  # by kind
        self._waiting: dict[str, dict[str, Feature]] = {}  # by kind and key
        self._gathering = 0

    def holds(self, kind: str, key: str) -> bool:
        """Whether it is on disk, or is about to be."""
        with self._usable(kind):
            return key in self._waiting.get(kind, {}) or key in self._of(kind)

    def get(self, kind: str, key: str) -> Feature | None:
        """The feature, or None if it is not cached or its shard is damaged (which is logged)."""
        if (feature := self._memory.recall(key)) is not None:
            return feature
        feature = self._waiting.get(kind, {}).get(key)
        if feature is None:
            with self._usable(kind):
                feature = self._of(kind).get(key)
        if feature is not None:
            self._memory.remember(key, feature)
        return feature

    def notes(self, kind: str, key: str) -> dict[str, str] | None:
        """Only a feature's notes, which are read without its tensors."""
        known = self._memory.recall(key) or self._waiting.get(kind, {}).get(key)
        if known is not None:
            return known[1]
        with self._usable(kind):
            return self._of(kind).notes(key)

    def put(self, kind: str, key: str, feature: Feature) -> None:
        """Write to disk, as a shard of its own or with others (`gather`), and keep in memory.

        Raises:
            CacheError: the file cannot be written.
        """
        waiting = self._waiting.setdefault(kind, {})
        waiting[key] = feature
        self._memory.remember(key, feature)
        most, most_bytes = GATHERED
        if not self._gathering or len(waiting) >= most or sum(map(size, waiting.values())) >= most_bytes:
            self._write(kind)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Within this, what is put is written in large shards; the last ones at its end, also after an error.

        A process that is killed loses what waits, at most one shard of each kind.
        """
        self._gathering += 1
        try:
            yield
        finally:
            self._gathering -= 1
            for kind in list(self._waiting) if not self._gathering else ():
                self._write(kind)

    def _of(self, kind: str) -> Shards:
        return self._shards.setdefault(kind, Shards(self.folder / kind))

    def _write(self, kind: str) -> None:
        if waiting := self._waiting.pop(kind, {}):
            with self._usable(kind):
                self._of(kind).write(waiting)

    @contextmanager
    def _usable(self, kind: str) -> Iterator[None]:
        try:
            yield
        except (OSError, PlaceError) as error:
            raise _unusable(self.folder / kind, error) from error


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


def _unusable(path: Path, error: Exception) -> CacheError:
    return CacheError(
        f"The feature cache cannot be used: {path}: {error.__cause__ or error}. Check free space and permissions, or choose "
        "another folder with the environment variable VCBENCH_CACHE."
    )
