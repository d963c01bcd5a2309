"""The report's header: facts about a run, without the paths of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vcbench.api import registry
from vcbench.api.scores import ALL
from vcbench.run.run import Run


def facts(run: Run, manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Facts about the run, as pairs of name and value.

    Args:
        manifest: content of manifest.json; empty if the run has none.
    """
    yield "Corpus", f"{run.corpus.title}{' (synthetic speech)' if run.corpus.synthetic else ''}"
    counts = run.trials["condition"].value_counts(sort=False)
    parts = ", ".join(f"{name} {count}" for name, count in counts.items() if name != ALL)
    yield "Trials", f"{len(run.trials)}{f' ({parts})' if parts else ''}"
    yield "Seed", str(run.config.seed)
    if manifest:
        if manifest.get("command"):
            yield "Command", manifest["command"]
        if manifest.get("preset"):
            yield "Preset", manifest["preset"]
        yield "Date", manifest.get("date", "not recorded")
        yield "Device", manifest["device"]
        yield "Trial list", f"SHA-256 {manifest['trials']['hash'][:16]}"
        times = [f"{stage} {_duration(seconds)}" for stage, seconds in manifest["wall_times"].items()]
        if times:
            yield "Wall times", ", ".join(times)
    if manifest.get("git_commit"):
        commit = manifest["git_commit"]
        yield "Commit", f"{commit[:12]}{' with uncommitted changes' if commit.endswith('+') else ''}"
    for row, weights in manifest.get("weights", {}).items():
        yield f"Weights of {row}", f"SHA-256 {weights[:16]}"
    if "config_hash" in manifest:
        yield "Settings", f"SHA-256 {manifest['config_hash'][:16]}"
    if "citation" in manifest:
        yield "Citation", manifest["citation"]
    yield "Licence of the corpus", run.corpus.licence
    for label, corpus in run.training_only.items():
        yield f"Licence of {label}", corpus.licence


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def assignments(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Settings in the form that `--set` takes; absolute paths are cut to their last part."""
    for key, value in values.items():
        name = f"{prefix}{registry.row_name(key)}"
        if isinstance(value, dict) and value:
            yield from assignments(value, f"{name}.")
        else:
            local = isinstance(value, str) and Path(value).is_absolute()
            yield f"{name}={json.dumps(Path(value).name if local else value, ensure_ascii=False)}"


def without_roots(text: str, run: Run) -> str:
    """A message about a file, with paths relative to the run's and the corpus's folders."""
    for root in (run.folder, run.corpus.root, *(corpus.root for corpus in run.training_only.values())):
        text = text.replace(f"{root.resolve()}/", "").replace(f"{root}/", "")
    return text
