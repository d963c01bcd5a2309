"""Every system that is trained here, at the sizes of the tiny preset."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from vcbench.api import registry
from vcbench.api.system import NeuralSystem
from vcbench.base.settings import merge
from vcbench.run import config
from vcbench.speech.features.settings import MelSettings


@cache
def tiny() -> dict[str, Any]:
    return config.named_systems("tiny") | config.resolve("tiny")["systems"]


def names() -> list[str]:
    return [name for name in registry.names("systems") if issubclass(registry.load("systems", name), NeuralSystem)]


def built(name: str, settings: dict[str, Any] | None = None) -> NeuralSystem:
    """A system with the tiny preset's settings, changed by `settings`."""
    own = config.system_config(name, merge(tiny().get(name, {}), settings or {}))
    torch.manual_seed(0)
    system: NeuralSystem = registry.load("systems", name)(own, MelSettings(), 0)
    return system
