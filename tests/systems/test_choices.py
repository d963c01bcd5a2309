"""Every value of every documented choice of a system trains and converts, at the sizes of the tiny preset."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch

from vcbench.api import registry
from vcbench.api.settings import TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.base.settings import ConfigError, merge
from vcbench.run import config
from vcbench.speech.corpora.split import Split
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker
from vcbench.training.cost import step_operations
from vcbench.training.loop import train

STEPS = 2


@cache
def tiny() -> dict[str, Any]:
    return config.named_systems("tiny") | config.resolve("tiny")["systems"]


def neural() -> Iterator[str]:
    for name in registry.names("systems"):
        if issubclass(registry.load("systems", name), NeuralSystem):
            yield name


def choices(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values of the fields that are a choice and not a number."""
    for name, field in fields.items():
        if field.annotation is bool:
            yield from ((name, value) for value in (True, False))
        elif get_origin(field.annotation) is Literal:
            yield from ((name, value) for value in get_args(field.annotation))


def cases() -> Iterator[tuple[str, str, Any]]:
    for system in neural():
        for name, value in choices(registry.load("systems", system).Config.model_fields):
            yield system, name, value
    for system in ("flowvc", "again_vc", "autovc", "vqvc"):
        for name, value in choices(TrainingSettings.model_fields):
            yield system, f"training.{name}", value


def settings(system: str, name: str, value: Any) -> dict[str, Any]:
    values = tiny().get(system, {})
    table: dict[str, Any] = {"training": {"steps": STEPS, "batch_size": 2}}
    if name.startswith("training."):
        table["training"][name.removeprefix("training.")] = value
    else:
        table[name] = value
    return merge(values, table)


@pytest.mark.slow
@pytest.mark.parametrize(("system", "name", "value"), list(cases()))
def test_it_trains_and_converts(system: str, name: str, value: Any, small_split: Split, tmp_path: Path) -> None:
    if value == "ge2e" or system == "autovc":
        pytest.importorskip("resemblyzer")
    try:
        own = config.system_config(system, settings(system, name, value))
    except ConfigError as error:
        pytest.skip(f"the settings refuse it next to the others: {error}")
    torch.manual_seed(0)
    made = registry.load("systems", system)(own, MelSettings(), 0)
    assert step_operations(made) > 0
    train(made, small_split.training, small_split.held_out, tmp_path, 0)
    source, *others = small_split.held_out
    target = next((one for one in small_split.held_out if one.speaker != source.speaker), others[0])
    (mel,) = made.convert_batch([source], [Speaker("target", (target,))])
    assert mel.shape[0] == 80
    assert torch.isfinite(mel).all()
