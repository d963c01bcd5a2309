"""A finished run or a full cache that may only be read is enough; a place that cannot be used is told in a sentence."""

from __future__ import annotations

import errno
import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile
from rich.console import Console

from vcbench.base.files import PlaceError
from vcbench.cli import verbs
from vcbench.run import config
from vcbench.run.run import Run
from vcbench.speech.features.cache import CacheError

SETTINGS = config.parse(
    config.resolve("tiny", None, ["workers=1", "seed=0", 'reference_rows=["source", "target"]'])
    | {"systems": {"copy_source": {}}, "metrics": {"speaker_similarity_ge2e": {}}}
)


def run(folder: Path, cache: Path) -> str:
    """What `vcbench run` prints: the table, and what else."""
    console = Console(file=io.StringIO(), width=140)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VCBENCH_CACHE", str(cache))
        opened = Run.create(folder, SETTINGS)
        board = verbs.run_all(opened, True, console)
        verbs.print_board(board, opened, console, 0.0)
    return console.file.getvalue()  # type: ignore[attr-defined]


@contextmanager
def mounted(*command: str | Path) -> Iterator[None]:
    """Mount something; skip the test where only an administrator may."""
    target = str(command[-1])
    done = subprocess.run(["mount", *map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", target], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Permissions do not bind root, so that a mount is needed."""
    with mounted("--bind", folder, folder):
        subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
        with pytest.raises(OSError, match="Read-only"):
            (folder / "new").touch()
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A run's folder, the cache, and the table that was printed."""
    folder = tmp_path_factory.mktemp("places")
    return folder / "runs" / "whole", folder / "cache", table(run(folder / "runs" / "whole", folder / "cache"))


def table(printed: str) -> str:
    """Without what depends on the clock and the folder."""
    return printed[printed.index("system") : printed.index("Done in")]


def test_a_read_only_run_and_cache_give_table_and_report(finished: tuple[Path, Path, str]) -> None:
    folder, cache, before = finished
    with read_only(folder.parent), read_only(cache):
        assert table(run(folder, cache)) == before
        assert verbs.report(folder) == folder / "report.html"


def test_a_read_only_run_whose_files_would_change_says_which(
    finished: tuple[Path, Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    folder, cache, before = finished
    page = folder / "report.html"
    content = page.read_bytes()
    page.write_bytes(b"of an older version")
    try:
        with read_only(folder.parent):
            assert table(run(folder, cache)) == before
            with pytest.raises(PlaceError, match=r"report\.html cannot be used: Read-only file system\."):
                verbs.report(folder)
        (warning,) = caplog.messages
        # The manifest comes first: it changes if the code was committed meanwhile.
        assert warning.startswith(
            (f"{page} cannot be used: Read-only", f"{page.with_name('manifest.json')} cannot be used: Read-only")
        )
        assert warning.endswith("The files of tables and the report stay as they were.")
    finally:
        page.write_bytes(content)


def test_a_read_only_full_cache_is_enough_for_another_run(finished: tuple[Path, Path, str], tmp_path: Path) -> None:
    _, cache, before = finished
    with read_only(cache):
        assert table(run(tmp_path / "another", cache)) == before


def test_a_read_only_cache_that_lacks_something_is_told(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with read_only(cache), pytest.raises((PlaceError, CacheError)) as told:
        run(tmp_path / "run", cache)
    assert str(cache) in str(told.value)
    assert "Read-only file system" in str(told.value)
    assert "VCBENCH_CACHE" in str(told.value)


IMPOSSIBLE = ["file", "file/below", "x" * 300, "/proc/vcbench", "/dev/null"]


@pytest.mark.parametrize("place", IMPOSSIBLE)
def test_an_impossible_place_for_runs_is_told(finished: tuple[Path, Path, str], tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceError, match=r"cannot be used: .*choose an?") as told:
        run(tmp_path / place / "mine", finished[1])
    assert str(tmp_path / place) in str(told.value)


@pytest.mark.parametrize("place", IMPOSSIBLE)
def test_an_impossible_place_for_the_cache_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((PlaceError, CacheError), match="VCBENCH_CACHE") as told:
        run(tmp_path / "run", tmp_path / place)
    assert str(tmp_path / place) in str(told.value)


@pytest.mark.parametrize("kilobytes", [40, 200])
def test_a_disk_that_fills_up_is_told_with_the_path(
    finished: tuple[Path, Path, str], tmp_path: Path, kilobytes: int
) -> None:
    """Some of the recordings fit. With more space, the same command completes the run."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", disk):
        with pytest.raises(Exception, match=os.strerror(errno.ENOSPC)) as told:
            run(disk / "run", finished[1])
        assert str(disk) in str(told.value)
        assert "Free some space and start the same command again" in str(told.value)
        assert all(soundfile.info(path).frames for path in disk.rglob("*.flac"))
        assert not list(disk.rglob(".*.flac"))
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        assert table(run(disk / "run", finished[1])) == finished[2]
