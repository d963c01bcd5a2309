"""A training's state on disk: weights, optimizer, random states and log, so that it can resume."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vcbench.api.checkpoint import CheckpointError
from vcbench.base.files import write_bytes, write_text
from vcbench.training.averages import Averages

if TYPE_CHECKING:
    from vcbench.api.system import NeuralSystem

STATE_FILE = "training.safetensors"
LOG_FILE = "train.jsonl"


@dataclass
class TrainingState:
    """What changes while training, apart from the weights."""

    optimizer: torch.optim.Adam
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0
    log: list[dict[str, float]] = field(default_factory=list)
    averages: Averages = field(default_factory=Averages)


def write_log(folder: Path, state: TrainingState) -> None:
    write_text(folder / LOG_FILE, "".join(json.dumps(row) + "\n" for row in state.log))


def save_state(system: NeuralSystem, state: TrainingState, folder: Path) -> None:
    """Weights, Adam's state, random states, sums of losses and the step, in one safetensors file."""
    tensors = {f"system.{name}": value.contiguous() for name, value in system.state_dict().items()}
    for index, moments in state.optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    tensors |= {f"sum.{name}": value.clone() for name, value in state.averages.sums.items()}
    tensors["random.crops"] = state.generator.get_state()
    tensors["random.torch"] = torch.get_rng_state()
    if system.device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(system.device)
    training = {
        "step": state.step,
        "seconds": state.seconds,
        "log": state.log,
        "sums": list(state.averages.sums),
        "summed": state.averages.count,
    }
    metadata = {"vcbench": json.dumps(system.description()), "training": json.dumps(training)}
    write_bytes(folder / STATE_FILE, save(tensors, metadata))


def resume(system: NeuralSystem, state: TrainingState, folder: Path) -> bool:
    """Go on from the folder's checkpoint; False where there is none.

    Raises:
        CheckpointError: the checkpoint cannot be read, or is of other settings.
    """
    path = folder / STATE_FILE
    if not path.exists():
        return False
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}). Delete it to train from the start.") from error
    if json.loads(metadata["vcbench"]) != json.loads(json.dumps(system.description())):
        raise CheckpointError(
            f"{path} was made with other settings. Use another run name, or delete its folder to train again."
        )
    system.load_state_dict({k.removeprefix("system."): v for k, v in tensors.items() if k.startswith("system.")})
    adam: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, index, key = name.split(".", 2)
            adam.setdefault(int(index), {})[key] = value
    state.optimizer.load_state_dict({"state": adam, "param_groups": state.optimizer.state_dict()["param_groups"]})
    state.generator.set_state(tensors["random.crops"])
    torch.set_rng_state(tensors["random.torch"])
    if system.device.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], system.device)
    training = json.loads(metadata["training"])
    state.step, state.seconds, state.log = training["step"], training["seconds"], training["log"]
    state.averages.sums = {name: tensors[f"sum.{name}"].to(system.device) for name in training["sums"]}
    state.averages.count = training["summed"]
    return True
