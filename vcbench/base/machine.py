"""How a run was made: versions, commit, date, seed, hashes, device, wall times."""

from __future__ import annotations

import os
import platform
import resource
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from vcbench.base.errors import UserError

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
    """The commit of the checkout that vcbench runs from, with "+" if files differ from it; None outside a checkout."""
    root = Path(__file__).parents[2]
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


def command_line() -> str | None:
    """The `vcbench` command that this process runs, ready to paste; None if it runs something else."""
    program = Path(sys.argv[0])
    is_vcbench = program.name == "vcbench" or program.parts[-2:] == ("vcbench", "__main__.py")
    return shlex.join(["vcbench", *sys.argv[1:]]) if is_vcbench else None


def today() -> str:
    """The date in UTC, as YYYY-MM-DD."""
    return datetime.now(UTC).date().isoformat()


def device_name(device: torch.device) -> str:
    """The name of the device."""
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


def peak_memory(device: torch.device) -> int:
    """Bytes: the device's on a GPU, else the most that this process ever held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def cache_root() -> Path:
    """Where features and scores are cached: $VCBENCH_CACHE, else ~/.cache/vcbench."""
    return Path(os.environ.get("VCBENCH_CACHE", "~/.cache/vcbench")).expanduser()


def pick_device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError('device = "cuda", but PyTorch sees no CUDA device here. Use device = "auto" or "cpu".')
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
