"""`vcbench report RUN RUN2 --out FOLDER`: a folder that opens from disk, wherever it is."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.testing import CliRunner

from tests.support.made_up_run import made_up_run
from vcbench.cli.app import app
from vcbench.run.folder import Prepared, RunError
from vcbench.run.run import Run


def linked(page: Path) -> list[Path]:
    """All files that a page names."""
    text = page.read_text()
    found = re.findall(r'href="((?!data:)[^"#]+)"', text) + re.findall(r'"((?:converted|report)/[^"]+)"', text)
    return [page.parent / unquote(address) for address in found]


def write(out: Path, *runs: Run, options: tuple[str, ...] = ()) -> str:
    done = CliRunner().invoke(app, ["report", *(str(run.folder) for run in runs), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return (out / "index.html").read_text()


def test_a_folder_has_all_that_its_pages_name(run: Run, tmp_path: Path) -> None:
    other = made_up_run(tmp_path / "second", ["one"], {"one": 0.5})
    write(tmp_path / "out", run, other)
    moved = (tmp_path / "out").rename(tmp_path / "moved")
    assert [path.relative_to(moved).as_posix() for path in linked(moved / "index.html")] == [
        "full/report.html", "second/report.html", "comparison.html",
    ]  # fmt: skip
    named = [path for page in moved.rglob("*.html") for path in linked(page)]
    assert len([path for path in named if path.suffix == ".flac"]) > 5
    assert [path for path in named if not path.is_file()] == []
    assert {path.name for path in (moved / "full" / "converted").iterdir()} <= set(run.rows)


def test_runs_that_do_not_compare_have_reports_all_the_same(run: Run, tmp_path: Path) -> None:
    other = made_up_run(tmp_path / "second", ["one"], {"one": 0.5})
    prepared: Prepared = other.prepared.model_copy(update={"corpus_hash": "0" * 64})
    prepared.write(other.files)
    page = write(tmp_path / "out", run, other)
    assert "The runs cannot be compared. full and second use other recordings" in page
    assert (tmp_path / "out" / "second" / "report.html").is_file()
    assert not (tmp_path / "out" / "comparison.html").exists()


def test_one_run_in_single_files(run: Run, tmp_path: Path) -> None:
    page = write(tmp_path / "out", run, options=("--single-file",))
    assert "Comparison" not in page
    assert [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()] == [
        "index.html", "full/report.html",
    ]  # fmt: skip
    assert "data:audio/ogg" in (tmp_path / "out" / "full" / "report.html").read_text()


def test_a_run_is_not_written_over(run: Run, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(run.folder), "--out", str(run.folder.parent)])
    assert isinstance(done.exception, RunError)
    assert "is the run itself. Choose another --out." in str(done.exception)
    with pytest.raises(FileNotFoundError):
        (run.folder.parent / "index.html").read_text()
