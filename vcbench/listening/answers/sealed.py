"""Files of a folder that are what its SHA256SUMS says, wherever links in it may point by now."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from vcbench.base.escape import brief
from vcbench.listening.kinds import ListeningError

SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([^\0]+)")


class SealedFolder:
    """A folder whose files were all as listed when it was opened.

    Attributes:
        names: relative paths of its files in POSIX form, without SHA256SUMS.
        seal: the SHA-256 of SHA256SUMS.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not os.path.lexists(folder / SUMS):
            raise ListeningError(f"{folder} is not a bundle: it has no {SUMS}. Make one with `vcbench listen build`.")
        with self._open(SUMS) as file:
            sums = file.read()
        listed = self._listed(sums)
        self.names = list(listed)
        self.seal = hashlib.sha256(sums).hexdigest()
        self._sealed = {SUMS: (len(sums), self.seal)}  # size and SHA-256
        for name, expected in listed.items():
            with self._open(name) as file:
                size, found = os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()
            if found != expected:
                raise self._changed(name)
            self._sealed[name] = size, expected

    def _listed(self, sums: bytes) -> dict[str, str]:
        """SHA-256 by name."""
        listed = {}
        for number, line in enumerate(sums.decode("utf-8", "replace").splitlines(), 1):
            if (found := LINE.fullmatch(line)) is None:
                raise ListeningError(
                    f"{self.folder / SUMS}: line {number} is not a SHA-256, two spaces and a name: {brief(line)!r}. Copy the bundle "
                    "again, or rebuild it."
                )
            listed[found[2]] = found[1]
        return listed

    def read(self, name: str) -> bytes:
        """The content of a listed file.

        Raises:
            ListeningError: it is not listed, or no longer what it was.
        """
        if name not in self._sealed:
            raise ListeningError(f"{self.folder} has no file {brief(name)!r}.")
        size, expected = self._sealed[name]
        with self._open(name) as file:
            content = file.read(size + 1) if os.fstat(file.fileno()).st_size == size else b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise self._changed(name)
        return content

    @contextmanager
    def _open(self, name: str) -> Iterator[BufferedReader]:
        """A regular file within the folder; no link is followed on the way.

        Raises:
            ListeningError: there is no such file.
        """
        try:
            descriptor = _open_within(self.folder, name.split("/"))
        except (OSError, ValueError) as error:
            raise self._changed(name) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._changed(name)
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _changed(self, name: str) -> ListeningError:
        return ListeningError(
            f"{self.folder / brief(name)} is missing or was changed. Copy the bundle again, or rebuild it."
        )


def _open_within(folder: Path, parts: list[str]) -> int:
    """The descriptor of what is at `parts`; each is opened in the one before it, so that nobody can swap one meanwhile."""
    if not all(parts) or {".", ".."} & set(parts):
        raise ValueError("not a name within the folder")
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    for place, part in enumerate(parts, 1):
        above = descriptor
        kind = os.O_NONBLOCK if place == len(parts) else os.O_DIRECTORY  # a named pipe would wait for a writer
        try:
            descriptor = os.open(part, flags | kind, dir_fd=above)
        finally:
            os.close(above)
    return descriptor
