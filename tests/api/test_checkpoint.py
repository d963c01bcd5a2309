"""Checkpoints of strangers: what their descriptions claim takes no memory, and what they hold is checked."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from tests.support.outcome import refusal
from vcbench.api import registry
from vcbench.api.checkpoint import CheckpointError, build_checked, read_header
from vcbench.api.system import NeuralSystem
from vcbench.run import config
from vcbench.speech.features.settings import MelSettings
from vcbench.stages.convert_files import load_checkpoint

SYSTEMS = ("flowvc", "nd_flow", "ae_flow", "adain_vc", "again_vc", "copycat", "autovc", "vqvc")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of each system."""
    folder = tmp_path_factory.mktemp("checkpoints")
    tables = config.resolve("tiny")["systems"] | config.named_systems("tiny")
    paths = {}
    for name in SYSTEMS:
        own = config.system_config(name, tables[name])
        paths[name] = folder / f"{name}.safetensors"
        registry.load("systems", name)(own, MelSettings(), 3).save(paths[name])
    return paths


def changed(path: Path, key: str, value: Any) -> Path:
    """A copy with one entry of its description, by dotted key, replaced."""
    with safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["vcbench"])
        state = {name: file.get_tensor(name) for name in file.keys()}
    table, *inner = key.split(".")
    place = description
    for part in (table, *inner)[:-1]:
        place = place[part]
    place[(table, *inner)[-1]] = value
    copy = path.with_name(f"changed-{path.name}")
    save_file(state, copy, {"vcbench": json.dumps(description)})
    return copy


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_saved_system_loads(saved: dict[str, Path], name: str) -> None:
    loaded = load_checkpoint(saved[name])
    assert loaded.name == name
    assert all(parameter.device.type == "cpu" for parameter in loaded.parameters())
    assert {key: tuple(value.shape) for key, value in loaded.state_dict().items()} == read_header(saved[name]).shapes


ABSURD = [
    ("again_vc", "config.hidden", 10**9),
    ("again_vc", "config.blocks", 10**9),
    ("again_vc", "config.gru_hidden", 10**9),
    ("again_vc", "config.gru_layers", 10**9),
    ("again_vc", "config.content_channels", 10**12),
    ("again_vc", "mel.n_mels", 10**9),
    ("again_vc", "seed", 2**70),
    ("adain_vc", "config.hidden", 10**9),
    ("flowvc", "config.steps", 10**9),
    ("flowvc", "config.width", 10**9),
    ("flowvc", "config.layers", 10**9),
    ("flowvc", "config.kernel", 10**9 + 1),
    ("nd_flow", "config.condition_channels", 10**9),
    ("ae_flow", "config.speaker_channels", 10**9),
    ("ae_flow", "mel.fft_size", 2**40),
    ("copycat", "config.phone_channels", 10**9),
    ("copycat", "config.decoder_layers", 10**9),
    ("copycat", "config.latent_channels", 10**9),
]


@pytest.mark.parametrize(("name", "key", "value"), ABSURD)
def test_absurd_sizes_take_no_memory(saved: dict[str, Path], name: str, key: str, value: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "again_vc" and key == "seed":  # a size of nothing, but no seed either
        assert load_checkpoint(changed(saved[name], key, value)).seed == value
    else:
        with pytest.raises(CheckpointError, match=r"changed-"):
            load_checkpoint(changed(saved[name], key, value))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_other_sizes_are_told_by_the_first_weight(saved: dict[str, Path]) -> None:
    with pytest.raises(
        CheckpointError, match=r"weights and settings do not belong together.* is \[\d+.* by its settings"
    ):
        load_checkpoint(changed(saved["again_vc"], "config.hidden", 7))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_numbers_are_refused(saved: dict[str, Path], tmp_path: Path, bad: float) -> None:
    with safe_open(saved["again_vc"], "pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    state["model.encoder.last.bias"][0] = bad
    save_file(state, tmp_path / "bad.safetensors", metadata)
    with pytest.raises(CheckpointError, match=r"infinite or not numbers: model\.encoder\.last\.bias"):
        load_checkpoint(tmp_path / "bad.safetensors")


def test_a_checkpoint_never_names_a_file_of_code(saved: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(CheckpointError, match="which is not installed"):
        load_checkpoint(changed(saved["again_vc"], "system", f"{tmp_path / 'evil.py'}:Evil"))


def test_settings_of_another_version_are_told(saved: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match=r"settings that again_vc does not have: config\.activation = 'gelu'"):
        load_checkpoint(changed(saved["again_vc"], "config.activation", "gelu"))


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=4,
)
KEYS = [
    "system",
    "version",
    "seed",
    "config",
    "mel",
    "config.hidden",
    "config.alpha",
    "config.training",
    "config.training.betas",
]
KEYS += ["config.training.steps", "mel.hop", "mel.floor", "mel.high", "config.activation", "config.blocks"]


@settings(max_examples=50, deadline=None)
@given(key=st.sampled_from(KEYS), value=values)
def test_any_description_is_loaded_or_refused(saved: dict[str, Path], key: str, value: Any) -> None:
    error = refusal(load_checkpoint, changed(saved["again_vc"], key, value))
    assert error is None or "changed-again_vc" in str(error)


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_damaged_file_is_loaded_or_refused(saved: dict[str, Path], data: st.DataObject) -> None:
    content = bytearray(saved["again_vc"].read_bytes())
    place = data.draw(st.one_of(st.integers(0, 2000), st.integers(0, len(content))))
    content[place : place + data.draw(st.integers(0, 100))] = data.draw(st.binary(max_size=20))
    path = saved["again_vc"].with_name("damaged.safetensors")
    path.write_bytes(content)
    error = refusal(load_checkpoint, path)
    assert error is None or "damaged" in str(error)


def test_a_model_that_needs_values_to_be_built_is_built(tmp_path: Path) -> None:
    def build() -> torch.nn.Linear:
        layer = torch.nn.Linear(2, 2)
        assert float(layer.weight.sum()) < 100  # not on the meta device
        return layer

    shapes = {"weight": (2, 2), "bias": (2,)}
    assert build_checked(tmp_path, shapes, build).weight.device.type == "cpu"


def test_the_systems_are_all_here() -> None:
    neural = [name for name in registry.names("systems") if issubclass(registry.load("systems", name), NeuralSystem)]
    assert sorted(SYSTEMS) == sorted(neural)
