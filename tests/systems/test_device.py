"""A training step never makes the host wait for a GPU, and everything is on the device that it was told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.stops import NoStops, Stop
from tests.support.tiny_systems import built, names
from vcbench.training.cost import random_batch
from vcbench.training.step import Step

ROOT = Path(__file__).parents[2]
WAITS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x.sum()),
    "bool": lambda x: bool((x > 0).all()),
    "choosing": lambda x: x[x > 0],
    "setting": lambda x: x.clone().__setitem__(x > 0, 0.0),
    "nonzero": lambda x: x.nonzero(),
    "masked_select": lambda x: x.masked_select(x > 0),
    "solve": lambda x: torch.linalg.solve(x, x),
    "constant": lambda x: x + torch.tensor([1.0, 2.0]),
}


@pytest.mark.parametrize("name", WAITS)
def test_the_watch_sees_what_waits(name: str) -> None:
    x = torch.eye(2)
    with pytest.raises(Stop), NoStops():
        WAITS[name](x)


@pytest.mark.parametrize(("precision", "padded"), [("float32", False), ("float32", True), ("bfloat16", True)])
@pytest.mark.parametrize("name", names())
def test_a_step_never_waits(name: str, precision: str, padded: bool) -> None:
    system = built(name, {"training": {"precision": precision}}).train()
    batch = random_batch(system.config.training, system.mel_settings.n_mels, torch.device("cpu"))
    if padded:
        batch.whole = False
        batch.mask[0, :, -5:] = 0
        batch.mel *= batch.mask
    step = Step(system, system.config.training)
    with NoStops():
        losses = step(batch)
    assert all(torch.isfinite(value) for value in losses.values())


def test_steps_crops_and_conversions_stay_on_the_device() -> None:
    """In a process of its own: it registers a second device with PyTorch."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.on_second_device"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"crops", *(f"{name}: step" for name in names())} <= set(found)
    assert not any(found.values()), found
