"""Where the jobs of a run are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vcbench.base.jobs import Engine, LocalEngine

if TYPE_CHECKING:
    import torch

    from vcbench.run.config import RunConfig


def choose(config: RunConfig, workers: int, threads: int, device: torch.device) -> Engine:
    """The engine that the settings name: this machine's processes, or a Ray cluster."""
    if config.engine == "ray":
        from vcbench.base.ray_engine import RayEngine  # here, as Ray is optional

        return RayEngine(config.address, threads, gpus=1.0 if device.type == "cuda" else 0.0)
    return LocalEngine(workers, threads)
