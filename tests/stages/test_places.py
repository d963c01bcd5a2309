"""A finished run or a full cache that may only be read is enough; a place that cannot be used is told in a sentence."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import soundfile

TINY = ["--preset", "tiny", "--systems", "copy_source", "--rows", "source,target"]


def vcbench(cache: Path, *arguments: str | Path) -> tuple[int, str]:
    """Exit code and all that the command printed, without line breaks."""
    command = [sys.executable, "-m", "vcbench", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "140", "VCBENCH_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    printed = " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in printed, done.stderr
    return done.returncode, printed


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
    """The folder of the runs, the cache, and what the run printed."""
    folder = tmp_path_factory.mktemp("places")
    code, printed = vcbench(folder / "cache", "run", *TINY, "--name", "whole", "--runs", folder / "runs")
    assert code == 0, printed
    return folder / "runs", folder / "cache", printed


def table(printed: str) -> str:
    return printed[printed.index("copy_source") : printed.index("Done in")]


def test_a_read_only_run_and_cache_give_table_and_report(finished: tuple[Path, Path, str]) -> None:
    runs, cache, before = finished
    with read_only(runs), read_only(cache):
        code, printed = vcbench(cache, "run", *TINY, "--name", "whole", "--runs", runs)
        assert code == 0, printed
        assert table(printed) == table(before)
        code, printed = vcbench(cache, "report", runs / "whole")
        assert code == 0, printed
        assert "report.html" in printed


def test_a_read_only_run_whose_files_would_change_says_which(finished: tuple[Path, Path, str]) -> None:
    runs, cache, before = finished
    page = runs / "whole" / "report.html"
    content = page.read_bytes()
    page.write_bytes(b"of an older version")
    try:
        with read_only(runs):
            code, printed = vcbench(cache, "run", *TINY, "--name", "whole", "--runs", runs)
            assert code == 0, printed
            assert table(printed) == table(before)
            assert "report.html cannot be used: Read-only file system" in printed
            assert "stay as they were" in printed
            code, printed = vcbench(cache, "report", runs / "whole")
            assert code == 2
            assert "report.html cannot be used: Read-only file system." in printed
    finally:
        page.write_bytes(content)


def test_a_read_only_full_cache_is_enough_for_another_run(finished: tuple[Path, Path, str]) -> None:
    runs, cache, before = finished
    with read_only(cache):
        code, printed = vcbench(cache, "run", *TINY, "--name", "another", "--runs", runs)
    assert code == 0, printed
    assert table(printed).split("Conversion")[0] == table(before).split("Conversion")[0]


def test_a_read_only_empty_cache_is_told(finished: tuple[Path, Path, str], tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    with read_only(tmp_path / "cache"):
        code, printed = vcbench(tmp_path / "cache", "run", *TINY, "--name", "third", "--runs", tmp_path / "runs")
    assert code == 2
    assert f"{tmp_path / 'cache'}" in printed
    assert "Read-only file system" in printed
    assert "VCBENCH_CACHE" in printed


@pytest.mark.parametrize("place", ["file", "file/below", "x" * 300, "/proc/vcbench", "/dev/null"])
@pytest.mark.parametrize("of", ["runs", "cache"])
def test_an_impossible_place_is_told(finished: tuple[Path, Path, str], tmp_path: Path, of: str, place: str) -> None:
    (tmp_path / "file").write_text("")
    places = {"runs": tmp_path / "runs", "cache": finished[1]} | {of: tmp_path / place}
    code, printed = vcbench(places["cache"], "run", *TINY, "--name", "mine", "--runs", places["runs"])
    assert code == 2, printed
    assert str(tmp_path / place)[:200] in printed
    assert "choose" in printed


@pytest.mark.parametrize("kilobytes", [40, 200])
def test_a_disk_that_fills_up_is_told_with_the_path(
    finished: tuple[Path, Path, str], tmp_path: Path, kilobytes: int
) -> None:
    """Of the recordings of a run, some fit."""
    (tmp_path / "runs").mkdir()
    with mounted("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", tmp_path / "runs"):
        code, printed = vcbench(finished[1], "run", *TINY, "--name", "full", "--runs", tmp_path / "runs")
        assert code == 2, printed
        assert f"{tmp_path / 'runs'}" in printed
        assert os.strerror(errno.ENOSPC) in printed
        assert "Free some space and start the same command again" in printed
        recordings = list((tmp_path / "runs").rglob("*.flac"))
        assert all(soundfile.info(path).frames for path in recordings)
        assert not list((tmp_path / "runs").rglob(".*.flac"))
        subprocess.run(["mount", "-o", "remount,size=50m", tmp_path / "runs"], check=True)
        code, printed = vcbench(finished[1], "run", *TINY, "--name", "full", "--runs", tmp_path / "runs")
        assert code == 0, printed
        assert table(printed).split("Conversion")[0] == table(finished[2]).split("Conversion")[0]
