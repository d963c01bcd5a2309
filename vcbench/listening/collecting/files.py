"""Files that are on disk before anybody is told so, and a lock that several processes respect."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from vcbench.base.files import place_errors

UNFINISHED = ".unfinished-"  # prefix of incomplete files
FLUSHES = 16  # at a time


def make_folder(folder: Path) -> None:
    """Make a folder for a server, and remove what a killed one left unfinished in it.

    Raises:
        PlaceError: there can be no such folder.
    """
    with place_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{UNFINISHED}*"):
            left.unlink(missing_ok=True)


def store(path: Path, content: bytes, replace: bool = False) -> None:
    """Write a file whole and flush it to disk; without `replace`, an existing file is left unchanged."""
    _place(path, content, replace)
    _flush_folder(path.parent)


def store_all(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of a folder, by name, in place of those that are there; all are on disk afterwards.

    They are flushed side by side, which a file system does in few turns of the disk, and the folder once.
    """
    with ThreadPoolExecutor(FLUSHES) as pool:
        for _ in pool.map(lambda name: _place(folder / name, contents[name], replace=True), contents):
            pass  # raises what went wrong
    _flush_folder(folder)


def _place(path: Path, content: bytes, replace: bool) -> None:
    temporary = path.with_name(f"{UNFINISHED}{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, path)
        else:
            with suppress(FileExistsError):
                os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, alone: bool) -> Iterator[None]:
    """Hold a lock, a file that is made if need be: `alone`, or together with others who are not alone."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
