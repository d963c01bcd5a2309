"""The wheel, installed in a fresh environment and used from a folder with `systems/` and `evaluations/` of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = (".toml", ".tsv", ".ogg", ".html", ".css", ".js", ".json", ".svg", ".j2", ".safetensors")
LISTS = """import vcbench
from vcbench.cli.app import app

print(vcbench.__file__)
for command in ("metrics", "systems"):
    app([command], standalone_mode=False)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked files, with the setuptools that is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    names = tracked.stdout.splitlines() if tracked.returncode == 0 else [
        path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file() and ".git" not in path.parts
    ]  # fmt: skip
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "results/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(command, check=True)
    return next(folder.glob("vcbench-*.whl"))


def test_the_wheel_holds_vcbench_alone_and_all_its_files(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == {"vcbench"}
    expected = set()
    for folder, prefix in (("vcbench", ""), ("systems", "vcbench/"), ("evaluations", "vcbench/")):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", *DATA) and "__pycache__" not in path.parts:
                expected.add(prefix + path.relative_to(ROOT).as_posix())
    assert expected <= set(names)
    assert {"vcbench/py.typed", "vcbench/__init__.pyi"} <= set(names)


@pytest.mark.slow
def test_installed_it_works_next_to_folders_of_the_same_names(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    own = next((environment / "lib").glob("python*/site-packages"))
    # Everything but vcbench comes from the environment that runs the tests.
    paths = dict.fromkeys([sysconfig.get_paths()["purelib"], *(path for path in sys.path if "site-packages" in path)])
    (own / "tests_environment.pth").write_text("\n".join(paths) + "\n")
    install = ["pip", "--python", str(python), "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel)]
    subprocess.run([sys.executable, "-m", *install], check=True)
    here = tmp_path / "work"
    for name in ("systems", "evaluations"):
        (here / name).mkdir(parents=True)
        (here / name / "__init__.py").write_text(f"raise ImportError('{name} of the user, not of vcbench')\n")
    variables = os.environ | {"VCBENCH_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}

    def python_prints(*arguments: str) -> str:
        done = subprocess.run([python, *arguments], cwd=here, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    where, _, listed = python_prints("-c", LISTS).partition("\n")
    assert Path(where).is_relative_to(own)
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for kind in ("metrics", "systems"):
        assert [name for name in points[f"vcbench.{kind}"] if name not in listed] == []
    assert "again_vc" in python_prints("-m", "vcbench", "run", "--systems", "again_vc", "--preset", "tiny")
    assert (here / "runs" / "tiny" / "leaderboard.md").is_file()
