"""From the options of a command to a run: preset, files, assignments, systems, corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vcbench.api import registry
from vcbench.api.pretrained import shipped
from vcbench.base.errors import UserError
from vcbench.base.settings import lay_over
from vcbench.base.tracking import require_tracker
from vcbench.run import config as configuration
from vcbench.run import pretrained
from vcbench.run.config import RunConfig
from vcbench.run.run import Run
from vcbench.speech.vocoders import load_vocoder


def select(
    preset: str, files: list[Path] | None, assignments: list[str] | None, systems: str, trained: bool = False
) -> RunConfig:
    """A preset with its overlays, and of its systems those that were asked for.

    Args:
        trained: the systems are not the preset's, but those of their names that come trained with vcbench.
    """
    values = configuration.resolve(preset, files, None if trained else assignments)
    everything = list(values["systems"])
    if trained:
        values = lay_over(values | {"systems": pretrained.tables(values["systems"])}, None, assignments)
    named = configuration.named_systems(preset)
    chosen: dict[str, Any] = {}
    for name in [part.strip() for part in systems.split(",") if part.strip()]:
        if name == "all":
            chosen |= {row: values["systems"][row] for row in everything if row in values["systems"]}
        elif name in values["systems"]:
            chosen[name] = values["systems"][name]
        elif trained:
            shipped(name)  # refuses it, and names those that come trained
        elif ".py:" in name:
            registry.load("systems", name)
            chosen[registry.row_name(name)] = {"system": str(Path(name).expanduser().resolve())}
        else:
            registry.load("systems", name)
            chosen[name] = named.get(name, {})
    if not chosen:
        raise UserError("--systems names no system; use all, or names with commas. `vcbench systems` lists them.")
    return configuration.parse(values | {"systems": chosen})


def open_run(
    preset: str,
    files: list[Path] | None,
    assignments: list[str] | None,
    systems: str,
    name: str | None,
    corpus: str | None,
    corpus_root: Path | None,
    runs: Path,
    trained: bool = False,
) -> Run:
    """Resolve the settings (see `select`), check them, and make or reopen the run's folder."""
    overlay = corpus_overlay(assignments, corpus, corpus_root)
    parts = [preset, *(["pretrained"] if trained else []), *([corpus] if corpus else [])]
    if name or parts[1:]:
        overlay.append(f"name={json.dumps(name or '-'.join(parts))}")
    config = select(preset, files, overlay, systems, trained)
    require_usable(Run(runs / config.name, config))
    return Run.create(runs / config.name, config)


def require_usable(run: Run) -> None:
    """Refuse what would fail later, before a folder is made that would block the corrected command.

    Raises:
        UserError: no such corpus or device, a vocoder or pretrained weights that do not fit the mel spectrograms, or no
            package for `log`.
    """
    require_tracker(run.config.log)
    if not run.corpus.speakers:
        raise UserError(f"The corpus {run.corpus.name} at {run.corpus.root} has no speakers.")
    _ = run.training_only  # refuses what is missing
    load_vocoder(run.config.vocoder, run.config.features.mel, run.device)
    for row in configuration.pretrained_rows(run.config):
        pretrained.weights(run, row)


def corpus_overlay(assignments: list[str] | None, corpus: str | None, corpus_root: Path | None) -> list[str]:
    """The user's assignments, and the corpus as further ones."""
    overlay = list(assignments or [])
    if corpus:
        overlay.append(f"corpus.name={json.dumps(corpus)}")
    if corpus_root:
        overlay.append(f"corpus.root={json.dumps(str(corpus_root.expanduser().resolve()))}")
    return overlay
