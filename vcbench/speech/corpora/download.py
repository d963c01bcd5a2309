"""Download published corpora: resumable, verified, and unpacked completely or not at all."""

from __future__ import annotations

import errno
import json
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from vcbench.base.errors import did_you_mean
from vcbench.base.fetch import Archive, DownloadError, fetch
from vcbench.base.files import write_json
from vcbench.speech.corpora.archives import ARCHIVES, DEFAULT_PARTS


def download(
    corpus: str,
    root: Path,
    parts: Sequence[str] | None = None,
    archives: Mapping[str, Mapping[str, Archive]] = ARCHIVES,
) -> None:
    """Download and unpack a corpus (or some `parts` of it: subsets, voices) into `root`, with a progress bar.

    Complete parts are not downloaded again. After an interruption, the next call continues from there.

    Raises:
        DownloadError: the corpus cannot be downloaded, the server cannot be reached or refuses, the checksum is wrong,
            the archive would write outside `root`, or the disk is full.
    """
    if corpus not in archives:
        raise DownloadError(f"There is no download for {corpus!r}.{did_you_mean(corpus, list(archives))}")
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
    with Bars(*columns) as progress:
        for part in parts or DEFAULT_PARTS[corpus]:
            archive = known[part]
            if not _is_unpacked(archive, root):
                try:
                    unpack(fetch(archive, root, progress), archive, root, progress)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    raise DownloadError(
                        f"The disk of {root} is full. Free some space and run the same command again."
                    ) from error


def unpack(path: Path, archive: Archive, root: Path, progress: Bars) -> None:
    """Unpack into a temporary folder, move the content into `root`, and remove the archive."""
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
            "This Python cannot unpack tar archives safely (3.11.4 and later can). Update Python, or unpack the archive by hand."
        )
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            archive.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise DownloadError(f"The archive would write outside its folder ({error}); nothing was unpacked.") from error


def _merge(source: Path, target: Path, root: Path) -> list[str]:
    """Move a tree into another, new folders in one step; return the moved paths, relative to `root`."""
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
    """Whether the archive was unpacked and all its content is still there."""
    mark = _mark(archive, root)
    if not mark.is_file():
        return False
    content = json.loads(mark.read_text())
    return content["sha256"] == archive.sha256 and all((root / name).exists() for name in content["moved"])
