"""Downloading a file: resumable, checked by its hash, whole or not at all."""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress as Bars
from rich.progress import TaskID

from vcbench.base.console import say
from vcbench.base.errors import UserError
from vcbench.base.files import hash_file


@dataclass(frozen=True)
class Archive:
    """A file on the web; `saved_as` is its name here, by default the end of its address."""

    url: str
    sha256: str
    saved_as: str = ""

    @property
    def name(self) -> str:
        return self.saved_as or self.url.rpartition("/")[2]


CHUNK = 1 << 18  # bytes
TIMEOUT = 60.0  # seconds without data
ATTEMPTS = 5  # in a row without new data
RANGE_REFUSED = 416
WORTH_ANOTHER = (408, 429)  # request timeout, too many requests; other 4xx codes are final


class DownloadError(UserError):
    """A corpus could not be downloaded; what was received is kept for the next attempt, unless its checksum is wrong."""


def fetch(archive: Archive, folder: Path, progress: Bars, patience: float = 1.0) -> Path:
    """Download an archive into `folder`, resuming an earlier attempt, and verify its checksum.

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
            problem = "the connection was closed"
        except urllib.error.HTTPError as error:
            if error.code == RANGE_REFUSED and before:
                break  # the server has nothing more: the checksum tells whether the file is complete
            if 400 <= error.code < 500 and error.code not in WORTH_ANOTHER:
                raise DownloadError(f"{archive.url}: the server answered {error.code} {error.reason}.") from error
            problem = f"the server answered {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        failures = 0 if _size(part) > before else failures + 1
        if failures == ATTEMPTS:
            raise DownloadError(
                f"{archive.url}: {problem}, {ATTEMPTS} times in a row. {_size(part)} bytes are in {part}; run the same "
                "command to continue."
            )
        say(progress.console, f"{archive.name}: {problem}; trying again")
        time.sleep(patience * 2 ** max(0, failures - 1))
    return _verified(archive, part)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _receive(archive: Archive, part: Path, progress: Bars, task: TaskID) -> bool:
    """Append what is missing; return whether the file is now complete."""
    have = _size(part)
    request = urllib.request.Request(archive.url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        resumed = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if resumed else 0  # a server without range requests sends everything again
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        free = shutil.disk_usage(part.parent).free
        if total and total - have > free:
            raise DownloadError(
                f"{archive.name} needs {(total - have) / 1e9:.1f} GB more, and about as much again to unpack; "
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
            f"{archive.url}: the checksum is wrong: SHA-256 {digest}, expected {archive.sha256}. The file was removed. "
            "Try again; if the checksum stays wrong, the published file has changed."
        )
    return part.rename(part.with_name(archive.name))
