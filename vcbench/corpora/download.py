"""Corpora fetched from where they are published: with resume, checked, and unpacked whole or not at all."""

from __future__ import annotations

import errno
import http.client
import json
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from vcbench.corpora.archives import ARCHIVES, DEFAULT_PARTS, Archive
from vcbench.errors import UserError
from vcbench.files import hash_file, write_json
from vcbench.registry import did_you_mean

CHUNK = 1 << 18  # bytes
TIMEOUT = 60.0  # seconds without a byte
ATTEMPTS = 5  # in a row that bring nothing
RANGE_REFUSED = 416
WORTH_ANOTHER = (408, 429)  # the server's timeout, too many requests; other 4xx are final


class DownloadError(UserError):
    """A corpus that could not be fetched; what is there already stays for the next attempt unless it is wrong."""


def download(
    corpus: str,
    root: Path,
    parts: Sequence[str] | None = None,
    archives: Mapping[str, Mapping[str, Archive]] = ARCHIVES,
) -> None:
    """Fetch and unpack a corpus (or some `parts` of it: subsets, voices) into `root`, with a progress bar.

    What is there whole is not fetched again. An interrupted call, made again, goes on where it was.

    Raises:
        DownloadError: nothing is published under that name, the server cannot be reached or refuses, the checksum is
            wrong, the archive would write outside `root`, the disk is full.
    """
    if corpus not in archives:
        raise DownloadError(f"Nothing is published to download for {corpus!r}.{did_you_mean(corpus, list(archives))}")
    known = archives[corpus]
    for part in parts or DEFAULT_PARTS[corpus]:
        if part not in known:
            raise DownloadError(f"{corpus} has no part {part!r}.{did_you_mean(part, list(known))}")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    root.mkdir(parents=True, exist_ok=True)
    with Progress(*columns) as progress:
        for part in parts or DEFAULT_PARTS[corpus]:
            archive = known[part]
            if not _is_unpacked(archive, root):
                try:
                    unpack(fetch(archive, root, progress), archive, root, progress)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    raise DownloadError(
                        f"The disk of {root} is full. Make room and run the same command again."
                    ) from error


def fetch(archive: Archive, folder: Path, progress: Progress, patience: float = 1.0) -> Path:
    """Download an archive into `folder`, going on with what an earlier attempt left, and verify its checksum.

    Args:
        patience: seconds before the second attempt; doubled for each further one.
    """
    whole = folder / archive.name
    if whole.is_file():
        return _verified(archive, whole)
    part = whole.with_name(f"{archive.name}.part")
    task = progress.add_task(f"fetch {archive.name}", total=None)
    failures = 0
    while True:
        before = _size(part)
        try:
            if _receive(archive, part, progress, task):
                break
            problem = "the connection was cut"
        except urllib.error.HTTPError as error:
            if error.code == RANGE_REFUSED and before:
                break  # there is nothing after what is here: the checksum tells whether it is the whole
            if 400 <= error.code < 500 and error.code not in WORTH_ANOTHER:
                raise DownloadError(f"{archive.url}: the server answers {error.code} {error.reason}.") from error
            problem = f"the server answers {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 0 if _size(part) > before else failures + 1
        if failures == ATTEMPTS:
            raise DownloadError(
                f"{archive.url}: {problem}, {ATTEMPTS} times in a row. {_size(part)} bytes are in {part}; the same command "
                "goes on from there."
            )
        progress.console.print(f"{archive.name}: {problem}; trying again")
        time.sleep(patience * 2 ** max(0, failures - 1))
    return _verified(archive, part)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _receive(archive: Archive, part: Path, progress: Progress, task: TaskID) -> bool:
    """Append what is missing; whether all of it came."""
    have = _size(part)
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0  # a server that knows no ranges sends everything again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        free = shutil.disk_usage(part.parent).free
        if total and total - have > free:
            raise DownloadError(
                f"{archive.name} needs {(total - have) / 1e9:.1f} GB more, and again about as much unpacked; "
                f"{part.parent} has {free / 1e9:.1f} GB free."
            )
        progress.update(task, total=total, completed=have)
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                progress.advance(task, len(chunk))
    return total is None or _size(part) >= total


def _verified(archive: Archive, part: Path) -> Path:
    digest = hash_file(part)
    if digest != archive.sha256:
        part.unlink()
        raise DownloadError(
            f"{archive.url}: the checksum is wrong: SHA-256 {digest}, expected {archive.sha256}. What came was removed. "
            "Try again; if it stays so, what is published has changed."
        )
    return part.rename(part.with_name(archive.name))


def unpack(path: Path, archive: Archive, root: Path, progress: Progress) -> None:
    """Unpack beside, move into `root`, remove the archive."""
    aside = root / f".unpacking-{archive.name}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with progress.open(path, "rb", description=f"unpack {archive.name}") as file:
            if path.suffix == ".zip":
                _unpack_zip(file, aside)
            else:
                _unpack_tar(file, aside)
        moved = _merge(aside, root, root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    write_json(_mark(archive, root), {"sha256": archive.sha256, "moved": moved})
    path.unlink()


def _unpack_zip(file: IO[bytes], folder: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise DownloadError(f"The archive would write outside its folder ({name!r}); nothing was unpacked.")
        archive.extractall(folder)


def _unpack_tar(file: IO[bytes], folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise DownloadError(
            "This Python cannot unpack tar archives safely (3.11.4 and later can). Update it, or unpack the archive by hand."
        )
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            archive.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise DownloadError(f"The archive would write outside its folder ({error}); nothing was unpacked.") from error


def _merge(source: Path, target: Path, root: Path) -> list[str]:
    """Move a tree into another, folders in one step where they are new; what was moved, relative to `root`."""
    moved = []
    for item in sorted(source.iterdir()):
        place = target / item.name
        if item.is_dir() and place.is_dir():
            moved += _merge(item, place, root)
        else:
            item.replace(place)
            moved.append(str(place.relative_to(root)))
    return moved


def _mark(archive: Archive, root: Path) -> Path:
    return root / f".{archive.name}.json"


def _is_unpacked(archive: Archive, root: Path) -> bool:
    """Whether the archive was unpacked and all that it brought is still there."""
    mark = _mark(archive, root)
    if not mark.is_file():
        return False
    content = json.loads(mark.read_text())
    return content["sha256"] == archive.sha256 and all((root / name).exists() for name in content["moved"])
