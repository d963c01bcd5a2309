"""The manifest of a run: command, settings, versions, hashes, device, times, how to cite it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcbench.base.files import hash_file, hash_json
from vcbench.base.machine import command_line, device_name, git_commit, today, versions
from vcbench.base.state import find_state, write_state
from vcbench.run.config import plain
from vcbench.run.notes import trained_also
from vcbench.run.trials import trials_hash

if TYPE_CHECKING:
    from vcbench.run.run import Run


def write_manifest(run: Run, wall_times: dict[str, float]) -> None:
    """Write manifest.json; date and command are those of the first start, a stage's wall time is the longest of all starts."""
    before = find_state(run.files.manifest) or {}
    times = before.get("wall_times", {})
    checkpoints = {row: run.files.checkpoint(row) for row in run.systems}
    date, commit, installed = before.get("date", today()), git_commit(), versions()
    content: dict[str, Any] = {
        "command": before.get("command") or command_line(),
        "preset": run.config.preset,
        "settings": plain(run.config),
        "versions": installed,
        "git_commit": commit,
        "date": date,
        "citation": citation(installed["vcbench"], commit, date[:4]),
        "seed": run.config.seed,
        "device": device_name(run.device),
        "corpus": {"name": run.corpus.name, "synthetic": run.corpus.synthetic, "hash": run.prepared.corpus_hash},
        "corpus_version": run.corpus.version,
        "trained_also_on": trained_also(run.prepared.split),
        "rejected": run.prepared.rejected,
        "phone_fallbacks": len(run.prepared.fallbacks) + len(run.prepared.varied_fallbacks),
        "trials": {"count": len(run.trials), "hash": trials_hash(run.trials)},
        "config_hash": hash_json(run.config.model_dump(mode="json", exclude={"log"})),
        "weights": {row: hash_file(path) for row, path in checkpoints.items() if path.is_file()},
        "wall_times": {stage: round(max(seconds, times.get(stage, 0.0)), 1) for stage, seconds in wall_times.items()},
    }
    write_state(run.files.manifest, content)


def citation(version: str, commit: str | None, year: str) -> str:
    """A BibTeX entry for the software that made a run."""
    exact = f"Version {version}" + (f", commit {commit[:12]}" if commit else "")
    return (
        "@misc{vcbench,\n  title = {{vcbench}: a benchmark of voice conversion systems},\n"
        f"  author = {{{{The vcbench authors}}}},\n  year = {{{year}}},\n  note = {{{exact}}}\n}}"
    )
