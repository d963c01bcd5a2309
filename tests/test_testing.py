"""The conformance suite accepts what conforms, and names what does not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from vcbench.systems.again_vc.system import AgainConfig, AgainVC
from vcbench.systems.controls import CopySource, CopyTarget
from vcbench.systems.nd_flow.system import NDFlow
from vcbench.systems.shared.one_shot import OneShotSystem

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.registry import load, names
from vcbench.api.scores import Column, Measurement
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.testing import check_metric, check_system

SMALL = AgainConfig(hidden=8, gru_hidden=8, blocks=2)


@pytest.mark.parametrize("system_class", [CopySource, CopyTarget])
def test_built_in_copies_conform(system_class: type[Any]) -> None:
    check_system(system_class)


def test_trained_systems_conform() -> None:
    check_system(AgainVC, SMALL)
    check_system(NDFlow, NDFlow.Config(steps=2, width=16, condition_channels=16, speaker_channels=16, speaker_width=16))


class Changing(CopySource):
    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return source.wave + 0.01 * torch.rand(source.wave.shape)


class Flat(CopySource):
    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return source.mel


class Broken(CopySource):
    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return source.wave * float("nan")


class Neighbourly(AgainVC):
    """A statistic of the whole batch, which grows with it."""

    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        mels = super().convert_batch(sources, targets)
        return [mel - torch.cat(mels, 1).norm() for mel in mels]


class Idle(AgainVC):
    """A parameter that nothing uses."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.idle = torch.nn.Parameter(torch.zeros(1))


class Forgetful(AgainVC):
    """Part of the state that its results depend on is not in the checkpoint."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.offset = torch.rand(1)

    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        return [mel + self.offset for mel in super().convert_batch(sources, targets)]


@pytest.mark.parametrize(
    ("system_class", "config", "message"),
    [
        (Changing, None, "seed all randomness"),
        (Flat, None, r"returned the shape \(80, .*a wave is \(samples,\)"),
        (Broken, None, "not finite"),
        (Neighbourly, SMALL, "batch neighbour changes the result"),
        (Idle, SMALL, "the loss does not depend on idle"),
        (Forgetful, SMALL, "saved and loaded system converts differently"),
        (object, None, "needs `produces` and convert"),
        (OneShotSystem, SMALL, None),
    ],
)
def test_what_does_not_conform_is_named(system_class: type[Any], config: Any, message: str | None) -> None:
    with pytest.raises(AssertionError if message else Exception, match=message):
        check_system(system_class, config)


PACKAGE = {
    "a_package.py": """
from vcbench.api import AudioMetric, Column
from vcbench.systems.controls import CopySource

class Mine(CopySource):
    pass

class Length(AudioMetric):
    name = "length"
    columns = {"length": Column("Length (s)", None)}

    def measure(self, conversions):
        return [[("length", len(one.source.wave) / one.source.sampling_rate, 1.0, {})] for one in conversions]
""",
    "a_package-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: a-package\nVersion: 1.0\n",
    "a_package-1.0.dist-info/entry_points.txt": (
        "[vcbench.systems]\nmine = a_package:Mine\n[vcbench.metrics]\nlength = a_package:Length\n"
    ),
}


def test_an_installed_packages_entry_points_are_found_and_conform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pip installs a package: its modules, and its metadata next to them."""
    for name, content in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert "mine" not in names("systems")
    monkeypatch.syspath_prepend(tmp_path)
    assert {"mine", "again_vc"} <= set(names("systems"))
    assert {"length", "prosody"} <= set(names("metrics"))
    check_system(load("systems", "mine"))
    check_metric(load("metrics", "length"))


@pytest.mark.parametrize("name", ["prosody", "naturalness", "speaker_similarity_ge2e", "speaking_rate"])
def test_our_metrics_conform(name: str) -> None:
    check_metric(load("metrics", name))


class Mean(AudioMetric):
    """Compares with the batch's first recording, which is not allowed."""

    name = "mean"
    columns = {"mean": Column("Mean", None)}  # noqa: RUF012

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        levels = [float(one.source.wave.abs().mean()) for one in conversions]
        return [[("mean", level - levels[0], 1.0, {})] for level in levels]


class Wrong(Mean):
    columns = {"other": Column("Other", None)}  # noqa: RUF012


@pytest.mark.parametrize(("metric_class", "message"), [(Mean, "in another order"), (Wrong, "filled 'mean'")])
def test_a_metric_that_does_not_conform_is_named(metric_class: type[Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_metric(metric_class)
