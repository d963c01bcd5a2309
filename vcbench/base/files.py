"""Files are written completely or not at all: to a temporary file, which is then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vcbench.base.errors import UserError

PLACE = {  # errors of the place, not of the program, and what helps
    errno.ENOSPC: "Free some space and start the same command again: it continues.",
    errno.EDQUOT: "Free some space and start the same command again: it continues.",
    errno.EROFS: "The file system is read-only; choose another folder.",
    errno.EACCES: "Change its permissions, or choose another folder.",
    errno.EPERM: "Change its permissions, or choose another folder.",
    errno.ENOTDIR: "A part of the path is a file; choose another folder.",
    errno.EEXIST: "A part of the path is a file; choose another folder.",
    errno.EISDIR: "A folder is in its place; move it away, or choose another name.",
    errno.ELOOP: "Its links lead in a circle; choose another folder.",
    errno.ENAMETOOLONG: "The name is too long; choose a shorter one.",
}


READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class PlaceError(UserError):
    """A file cannot be read or written where it should be: no space, no permission, an impossible path."""


class ReadOnlyError(PlaceError):
    """A place that may be read but not written."""


@contextmanager
def place_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's errors about a place into sentences.

    Raises:
        PlaceError: one of PLACE.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in PLACE:
            raise
        kind = ReadOnlyError if error.errno in READ_ONLY else PlaceError
        raise kind(f"{path} cannot be used: {error.strerror}. {PLACE[error.errno]}{_by_cache(path)}") from error


def _by_cache(path: Path) -> str:
    """How to choose another folder, if it is one of the cache."""
    from vcbench.base.machine import cache_root  # here, because it imports torch

    if not path.absolute().is_relative_to(cache_root().absolute()):
        return ""
    return " The environment variable VCBENCH_CACHE chooses the folder of the cache."


def is_file(path: Path) -> bool:
    """
    Raises:
        PlaceError: the path is impossible, e.g. too long.
    """
    with place_errors(path):
        return path.is_file()


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` if the block succeeds, else remove it.

    Raises:
        PlaceError: the disk is full, the folder cannot be written, or the path is impossible.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    with place_errors(path):
        _make_folder(path)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # as below /proc
        raise PlaceError(
            f"{path} cannot be used: its folder cannot be made there; choose another folder.{_by_cache(path)}"
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, unless it holds just that already: then nothing is touched, and its place may be read-only.

    Raises:
        PlaceError: see `whole_file`.
    """
    if not _holds(path, content):
        with whole_file(path) as temporary:
            temporary.write_bytes(content)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def write_text(path: Path, content: str) -> None:
    write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(content: Any) -> str:
    """SHA-256 of anything JSON holds, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
