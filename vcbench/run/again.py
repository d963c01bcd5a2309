"""The settings of a run that repeats another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vcbench.base.settings import lay_over
from vcbench.run.config import RunConfig, parse, plain
from vcbench.run.extend import WHERE_ONLY
from vcbench.run.folder import RunError
from vcbench.run.run import Run
from vcbench.run.selection import corpus_overlay, require_usable

ALLOWED = (*WHERE_ONLY, "corpus.root")  # where it computes, and where its data lie


def repeat_run(folder: Path, name: str | None, assignments: list[str] | None, root: Path | None, runs: Path) -> Run:
    """A run with all settings of the one in `folder`, in a folder of its own.

    Args:
        name: of the new run; by default the old one's with ``-again``.
        assignments: of keys that decide no number.
        root: the corpus's folder, where it has moved.

    Raises:
        RunError: it cannot be repeated, or the assignments would make it another run.
    """
    old = Run.open(folder)
    if any(settings.get("system") == "imported_audio" for settings in old.config.systems.values()):
        raise RunError(f"{folder} scores speech that vcbench did not convert. Repeat it with `vcbench score`.")
    chosen = f"name={json.dumps(name or f'{old.config.name}-again')}"
    before = plain(old.config)
    config = parse(lay_over(before, None, [*corpus_overlay(assignments, None, root), chosen]))
    _require_same(before, config, folder)
    target = runs / config.name
    if target.resolve() == folder.resolve():
        raise RunError(f"{target} is the run itself. Give the repetition another --name or --runs.")
    require_usable(Run(target, config))
    return Run.create(target, config)


def _require_same(before: dict[str, Any], config: RunConfig, folder: Path) -> None:
    old, new = dict(_flat(before)), dict(_flat(plain(config)))
    changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key) and key not in ALLOWED]
    if changed:
        raise RunError(
            f"--from repeats {folder} as it was; {', '.join(sorted(changed))} would change. It allows --set for "
            f"device, workers, engine, address and corpus.root. For other settings: --config {folder / 'run.toml'} --set KEY=VALUE."
        )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
