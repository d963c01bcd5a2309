"""Files are written completely or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vcbench.base.files import PlaceError, ReadOnlyError, hash_json, place_errors, whole_file, write_bytes


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_bytes(path, b"old")

    def fill_the_disk() -> None:
        with whole_file(path) as temporary:
            temporary.write_bytes(b"ne")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(PlaceError, match=r"table\.csv cannot be used: No space.*Free some space"):
        fill_the_disk()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "table.csv"
    write_bytes(path, b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_json({"a": 1, "b": [2]}) == hash_json({"b": [2], "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": 2})


@pytest.mark.parametrize("name", ["file/below", "x" * 300, "file/a/b/c", "/proc/vcbench/x", "folder", "circle/x"])
def test_an_impossible_place_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(PlaceError, match=r"cannot be used: .*choose (a|another) "):
        write_bytes(tmp_path / name, b"x")


def test_what_is_there_already_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    write_bytes(path, b"same")

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_bytes", read_only)
    write_bytes(path, b"same")
    with pytest.raises(ReadOnlyError, match=r"table\.csv cannot be used: Read-only file system"):
        write_bytes(path, b"else")
    assert path.read_bytes() == b"same"


def test_a_place_in_the_cache_says_how_to_choose_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VCBENCH_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    with pytest.raises(PlaceError, match=r"file/x cannot be used: .* VCBENCH_CACHE"):
        write_bytes(tmp_path / "file" / "x", b"")


def test_a_full_device_is_a_sentence() -> None:
    with pytest.raises(PlaceError, match="No space left"), place_errors(Path("/dev/full")):
        Path("/dev/full").write_bytes(b"x" * 10)


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), whole_file(tmp_path / "x"):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    assert not list(tmp_path.iterdir())
