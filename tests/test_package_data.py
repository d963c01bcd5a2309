"""Files other than Python are installed too: the page, its texts, traps, presets, studies, templates, the embedded corpus."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_kind_of_file_in_the_packages_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["*"]
    packages = [name.removesuffix("*") for name in settings["packages"]["find"]["include"]]
    files = [path for name in packages for path in (ROOT / name).rglob("*") if path.is_file()]
    data = [path for path in files if path.suffix not in (".py", ".pyc")]
    assert {"index.html", "choose_a.ogg", "de.json", "quick.toml", "again_fig4.toml", "report.html.j2"} <= {
        path.name for path in data
    }
    assert not [path for path in data if not any(fnmatch(path.name, pattern) for pattern in patterns)]
