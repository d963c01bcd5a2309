"""The manifest of a run: settings, versions, hashes, device, times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vcbench.base.files import hash_file, hash_json
from vcbench.base.machine import device_name, git_commit, today, versions
from vcbench.base.state import find_state, write_state
from vcbench.run.trials import trials_hash

if TYPE_CHECKING:
    from vcbench.run.run import Run


def write_manifest(run: Run, wall_times: dict[str, float]) -> None:
    """Write manifest.json; the date is that of the first start, and a stage's wall time is the longest of all starts."""
    before = find_state(run.files.manifest) or {}
    times = before.get("wall_times", {})
    checkpoints = {row: run.files.checkpoint(row) for row in run.systems}
    content: dict[str, Any] = {
        "versions": versions(),
        "git_commit": git_commit(),
        "date": before.get("date", today()),
        "seed": run.config.seed,
        "device": device_name(run.device),
        "corpus": {"name": run.corpus.name, "synthetic": run.corpus.synthetic, "hash": run.prepared.corpus_hash},
        "rejected": run.prepared.rejected,
        "phone_fallbacks": len(run.prepared.fallbacks) + len(run.prepared.varied_fallbacks),
        "trials": {"count": len(run.trials), "hash": trials_hash(run.trials)},
        "config_hash": hash_json(run.config.model_dump(mode="json", exclude={"log"})),
        "weights": {row: hash_file(path) for row, path in checkpoints.items() if path.is_file()},
        "wall_times": {stage: round(max(seconds, times.get(stage, 0.0)), 1) for stage, seconds in wall_times.items()},
    }
    write_state(run.files.manifest, content)
