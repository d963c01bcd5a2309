"""Pretrained systems of a run: their settings, and the file of their weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vcbench.api import pretrained
from vcbench.api.checkpoint import read_header
from vcbench.api.system import NeuralSystem
from vcbench.run import config
from vcbench.run.folder import RunError
from vcbench.run.run import Run

SHOWN = 12  # digits of a hash in a message


def tables(order: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Tables of a run's settings for all systems that come trained, those in `order` first.

    Raises:
        PretrainedError: none comes trained.
    """
    pretrained.best_one_shot()  # refuses where there is none
    found = pretrained.Index.read(pretrained.FOLDER).systems
    names = dict.fromkeys(name for name in (*order, *found) if name in found)
    return {name: _config(name) | {"pretrained": found[name].sha256} for name in names}


def _config(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = read_header(pretrained.weights_file(pretrained.FOLDER, name)).description["config"]
    return settings


def weights(run: Run, row: str) -> tuple[Path, NeuralSystem]:
    """The file of a pretrained row, and the system that it holds, on the CPU.

    Raises:
        PretrainedError: this vcbench comes without it, or the file is damaged.
        CheckpointError: it is of another version of the system, or of other mel spectrograms than the run's.
        RunError: it is not the one that the run began with, has other settings, or was trained on another version of the
            run's corpus.
    """
    table = run.config.systems[row]
    name = table.get("system", row)
    known = pretrained.shipped(name)
    if known.sha256 != table["pretrained"]:
        raise RunError(
            f"systems.{row} has the pretrained weights {str(table['pretrained'])[:SHOWN]}; this vcbench comes with "
            f"{known.sha256[:SHOWN]}. Install the vcbench that made the run, or start a new run with --pretrained."
        )
    system = pretrained.load_pretrained(name, run.config.features.mel)
    if system.config != config.system_config(row, table):
        raise RunError(
            f"systems.{row} has other settings than those that its pretrained weights were trained with. Leave the settings as "
            "they are, or leave out --pretrained to train it."
        )
    origin = known.origin
    if origin.corpus == run.corpus.name and origin.corpus_version != run.corpus.version:
        raise RunError(
            f"{row} was trained on version {origin.corpus_version} of {origin.corpus}; the run has version {run.corpus.version}, "
            "whose unseen voices may be among those that it was trained on. Choose another corpus, or train it."
        )
    return pretrained.weights_file(pretrained.FOLDER, name), system
