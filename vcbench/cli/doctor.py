"""What is installed on this machine: device, versions, weights, and what a run lacks without each missing one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from rich.table import Table

from vcbench.api import registry
from vcbench.base.errors import ModelUnavailable
from vcbench.base.escape import terminal
from vcbench.base.machine import cache_root, device_name, pick_device, versions
from vcbench.speech.corpora import MODULES
from vcbench.speech.pretrained import weights

# What a run lacks without a model; other models are used only if a configuration names them.
COSTS = {
    "ecapa": "the columns of speaker_similarity_ecapa are n/a",
    "campplus": "the columns of speaker_similarity_campplus are n/a",
    "wavlm_sv": "the columns of speaker_similarity_wavlm are n/a",
    "ge2e": "the columns of speaker_similarity_ge2e are n/a",
    "faster-whisper/tiny.en": "WER and CER are n/a, and phones of utterances without text are recognised",
    "distillmos": "predicted naturalness is n/a",
    "hifigan": 'vocoder.kind = "hifigan" needs vocoder.path',
}


def examine() -> Iterator[Table]:
    """Tables for the terminal: the machine, versions, weights, metrics, corpora."""
    yield _machine()
    yield _versions()
    yield _weights()
    yield _metrics()
    yield _corpora()


def _machine() -> Table:
    table = Table("machine", "", show_header=True)
    table.add_row("device", device_name(pick_device("auto")))
    table.add_row(
        "CUDA", torch.version.cuda if torch.cuda.is_available() else "not available: everything runs on the CPU"
    )
    table.add_row("cores", str(len(os.sched_getaffinity(0))))
    cache = cache_root()
    existing = next(folder for folder in (cache, *cache.parents) if folder.exists())
    table.add_row("cache", terminal(f"{cache} ({shutil.disk_usage(existing).free / 2**30:.0f} GiB free)"))
    return table


def _versions() -> Table:
    table = Table("package", "version")
    for package, version in versions().items():
        table.add_row(package, version)
    return table


def _weights() -> Table:
    table = Table("weights", "here", "without them")
    for name, cost in COSTS.items():
        try:
            table.add_row(name, terminal(f"yes, {_short(weights.find(name))}"), "")
        except ModelUnavailable as error:
            table.add_row(name, "no", terminal(f"{cost}\n{error}"))
    return table


def _short(path: Path) -> str:
    return str(path).replace(str(Path.home()), "~")


def _metrics() -> Table:
    table = Table("metric", "ready")
    for name in registry.names("metrics"):
        try:
            registry.load("metrics", name)().check()
            table.add_row(terminal(name), "yes")
        except ModelUnavailable as error:
            table.add_row(terminal(name), terminal(f"no: {error}"))
    return table


def _corpora() -> Table:
    table = Table("corpus", "here")
    for name in MODULES:
        here = "yes, embedded (synthetic)" if name == "mini" else "in --corpus-root"
        table.add_row(name, here)
    return table
