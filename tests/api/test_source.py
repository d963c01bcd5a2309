"""What decides the results of a plug-in's code is part of its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcbench.api import registry
from vcbench.api.source import SourceError, source_key

MAIN = "import helper\nfrom parts.inner import VALUE\n\nclass Mine:\n    files = ('weights.bin',)\n"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MAIN)
    (tmp_path / "helper.py").write_text("import second\n")
    (tmp_path / "second.py").write_text("X = 1\n")
    (tmp_path / "unrelated.py").write_text("X = 1\n")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "inner.py").write_text("VALUE = 1\n")
    (tmp_path / "weights.bin").write_bytes(b"1")
    return tmp_path / "mine.py"


def key(plugin: Path) -> dict[str, str]:
    return source_key(registry.load("systems", f"{plugin}:Mine"))


def test_the_file_its_modules_and_declared_files_are_covered(plugin: Path) -> None:
    assert set(key(plugin)) == {
        "mine.py", "helper.py", "second.py", "parts/__init__.py", "parts/inner.py", "weights.bin",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mine.py", "helper.py", "second.py", "parts/inner.py", "weights.bin"])
def test_a_change_to_any_of_them_changes_the_key(plugin: Path, name: str) -> None:
    before = key(plugin)
    path = plugin.parent / name
    path.write_bytes(path.read_bytes() + b"\n#")
    assert key(plugin) != before


def test_other_files_of_the_folder_do_not_matter(plugin: Path) -> None:
    before = key(plugin)
    (plugin.parent / "unrelated.py").write_text("X = 2\n")
    assert key(plugin) == before


def test_a_declared_file_must_exist(plugin: Path) -> None:
    (plugin.parent / "weights.bin").unlink()
    with pytest.raises(SourceError, match=r"declares the file .*weights\.bin, which does not exist"):
        key(plugin)


def test_files_of_one_name_in_two_folders_are_two_modules(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.py").write_text(f"class Mine:\n    where = {folder!r}\n")
    first, second = (registry.load("systems", f"{tmp_path / folder}/same.py:Mine") for folder in ("a", "b"))
    assert (first.where, second.where) == ("a", "b")
    assert source_key(first) != source_key(second)


def test_vcbenchs_own_classes_have_a_version_instead() -> None:
    assert source_key(registry.load("metrics", "prosody")) == {}
