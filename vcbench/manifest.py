"""What a run was made with: versions, commit, date, seed, hashes, device, wall times."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vcbench.files import hash_file, hash_json
from vcbench.state import find_state, write_state
from vcbench.trials import trials_hash

if TYPE_CHECKING:
    from vcbench.run import Run

PACKAGES = (
    "vcbench", "torch", "torchaudio", "speechbrain", "openai-whisper", "faster-whisper", "resemblyzer", "distillmos",
    "pyworld", "pocketsphinx", "jiwer", "scipy", "numpy", "pandas", "soundfile",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Installed versions; "not installed" where a package is missing."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """The commit of the checkout that vcbench runs from, with "+" where files differ from it; None outside one."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")


def today() -> str:
    """The date in UTC, as YYYY-MM-DD."""
    return datetime.now(UTC).date().isoformat()


def device_name(device: torch.device) -> str:
    """What the arithmetic ran on, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        model = f"{len(names)} x {names[0]}" if names else model
    return f"CPU ({model})"


def write_manifest(run: Run, wall_times: dict[str, float]) -> None:
    """Write manifest.json; the date stays that of the first start, and a stage's wall time the longest of all starts."""
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
        "config_hash": hash_json(run.config.model_dump(mode="json")),
        "weights": {row: hash_file(path) for row, path in checkpoints.items() if path.is_file()},
        "wall_times": {stage: round(max(seconds, times.get(stage, 0.0)), 1) for stage, seconds in wall_times.items()},
    }
    write_state(run.files.manifest, content)
