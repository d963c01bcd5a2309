"""What the shell offers after a key press. Nothing here imports PyTorch, so that it is there at once."""

from __future__ import annotations

from importlib import resources
from importlib.metadata import entry_points

CORPORA = ("mini", "vctk", "librispeech", "libritts", "cmu_arctic", "folder")


def presets(incomplete: str) -> list[str]:
    return _starting(_files("run", "presets"), incomplete)


def studies(incomplete: str) -> list[str]:
    return _starting(_files("studies", "definitions"), incomplete)


def corpora(incomplete: str) -> list[str]:
    return _starting([*CORPORA], incomplete)


def system(incomplete: str) -> list[str]:
    return _starting(_installed("systems"), incomplete)


def importers(incomplete: str) -> list[str]:
    return _starting(_installed("importers"), incomplete)


def systems(incomplete: str) -> list[str]:
    """Names separated by commas: those before the last one stay."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(["all", *_installed("systems")], last)]


def settings(incomplete: str) -> list[str]:
    """Tables of installed systems and metrics."""
    tables = [f"{kind}.{name}." for kind in ("systems", "metrics") for name in _installed(kind)]
    return _starting(tables, incomplete)


def _starting(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _installed(kind: str) -> list[str]:
    return sorted({entry.name for entry in entry_points(group=f"vcbench.{kind}")})


def _files(*folders: str) -> list[str]:
    folder = resources.files("vcbench").joinpath(*folders)
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
