"""The training loop: it learns, resumes to the same result, and stops with a clear error."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from vcbench.api.batch import Batch
from vcbench.api.checkpoint import CheckpointError
from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.base.preemption import EXIT_AGAIN, Preempted
from vcbench.speech.corpora.split import Split
from vcbench.speech.features.settings import MelSettings
from vcbench.training.averages import TrainingDiverged
from vcbench.training.loop import learning_rate, train


class ToyConfig(SystemConfig):
    training: TrainingSettings = TrainingSettings(
        steps=8, batch_size=4, frames=32, evaluate_every=2, checkpoint_every=4
    )
    explode: bool = False


class Toy(NeuralSystem):
    """An autoencoder of two layers with dropout, which is random in training: resuming must restore random states."""

    name: ClassVar[str] = "toy"
    Config: ClassVar[type[SystemConfig]] = ToyConfig

    def __init__(self, config: ToyConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.layers = nn.Sequential(nn.Conv1d(80, 16, 3, padding=1), nn.Dropout(0.5), nn.Conv1d(16, 80, 3, padding=1))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        total = (self.layers(batch.mel) - batch.mel).abs().mean()
        return {"total": total * (float("nan") if self.config.explode else 1.0)}


def fresh(**changes: object) -> Toy:
    torch.manual_seed(0)
    return Toy(ToyConfig(**changes), MelSettings())


def recipe(**changes: object) -> TrainingSettings:
    return ToyConfig().training.model_copy(update=changes)


def test_loss_falls_on_training_and_held_out_speech(small_split: Split, tmp_path: Path) -> None:
    system = fresh(training=recipe(steps=60, evaluate_every=20, learning_rate=2e-3))
    train(system, small_split.training, small_split.held_out, tmp_path, 0)
    log = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log] == [20, 40, 60]
    assert log[-1]["total"] < log[0]["total"]
    assert log[-1]["held_out_total"] < log[0]["held_out_total"]


def test_interrupted_training_goes_on_to_the_same_weights_and_log(small_split: Split, tmp_path: Path) -> None:
    straight, first, second = fresh(), fresh(), fresh()
    train(straight, small_split.training, small_split.held_out, tmp_path / "straight", 0)

    class Interrupted(Exception):
        pass

    whole_loss, calls = first.loss, []

    def loss_until_step_seven(batch: Batch) -> dict[str, Tensor]:
        calls.extend([1] if first.training else [])
        if len(calls) == 7:
            raise Interrupted
        return whole_loss(batch)

    first.loss = loss_until_step_seven
    with pytest.raises(Interrupted):
        train(first, small_split.training, small_split.held_out, tmp_path / "resumed", 0)
    train(second, small_split.training, small_split.held_out, tmp_path / "resumed", 0)
    for (name, wanted), found in zip(straight.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(wanted, found), name
    logs = [
        [json.loads(line) for line in (tmp_path / d / "train.jsonl").read_text().splitlines()]
        for d in ("straight", "resumed")
    ]
    for wanted, found in zip(*logs, strict=True):
        assert wanted | {"seconds": 0} == found | {"seconds": 0}


@pytest.mark.parametrize("last", [1, 5])
def test_sigterm_ends_the_step_and_a_new_start_goes_on_to_the_same_weights_and_log(
    last: int, small_split: Split, tmp_path: Path
) -> None:
    straight, first, second = fresh(), fresh(), fresh()
    train(straight, small_split.training, small_split.held_out, tmp_path / "straight", 0)
    whole_loss, calls = first.loss, []
    before = signal.getsignal(signal.SIGTERM)  # Ray leaves one of its own

    def with_signal(batch: Batch) -> dict[str, Tensor]:
        calls.extend([1] if first.training else [])
        if len(calls) == last and first.training:
            signal.raise_signal(signal.SIGTERM)
        return whole_loss(batch)

    first.loss = with_signal
    with pytest.raises(Preempted) as ended:
        train(first, small_split.training, small_split.held_out, tmp_path / "resumed", 0)
    assert ended.value.code == EXIT_AGAIN
    assert len(calls) == last
    assert signal.getsignal(signal.SIGTERM) == before
    train(second, small_split.training, small_split.held_out, tmp_path / "resumed", 0)
    for (name, wanted), found in zip(straight.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(wanted, found), name
    rows = [
        [json.loads(line) | {"seconds": 0} for line in (tmp_path / d / "train.jsonl").read_text().splitlines()]
        for d in ("straight", "resumed")
    ]
    assert rows[0] == rows[1]


def test_non_finite_loss_stops_with_the_step_and_what_to_do(small_split: Split, tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"step 2: total is nan.*learning_rate"):
        train(fresh(explode=True), small_split.training, small_split.held_out, tmp_path, 0)
    assert not (tmp_path / "training.safetensors").exists()


def test_checkpoint_of_other_settings_or_truncated_is_refused(small_split: Split, tmp_path: Path) -> None:
    train(fresh(), small_split.training, small_split.held_out, tmp_path, 0)
    with pytest.raises(CheckpointError, match="other settings"):
        train(fresh(training=recipe(steps=9)), small_split.training, small_split.held_out, tmp_path, 0)
    path = tmp_path / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(fresh(), small_split.training, small_split.held_out, tmp_path, 0)


def test_saved_system_loads_and_another_mel_is_refused(tmp_path: Path) -> None:
    system, path = fresh(), tmp_path / "checkpoint.safetensors"
    system.save(path)
    loaded = Toy.load(path, MelSettings())
    assert all(
        torch.equal(a, b) for a, b in zip(system.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    assert loaded.config == system.config
    with pytest.raises(CheckpointError, match="hop is 256 there and 300 here"):
        Toy.load(path, MelSettings(hop=300))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="not a usable vcbench checkpoint"):
        Toy.load(path, MelSettings())


def test_one_cycle_rises_to_its_peak_and_falls_to_almost_nothing() -> None:
    settings = TrainingSettings(steps=1000, schedule="one-cycle", learning_rate=1e-3)
    rates = [learning_rate(settings, step) for step in range(1001)]
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 300
    assert rates[0] == pytest.approx(4e-5)
    assert rates[-1] == pytest.approx(1e-7)


def test_a_tracker_gets_the_rows_of_the_log_and_after_an_interruption_the_earlier_ones_again(
    small_split: Split, tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    def until_step_six(row: Mapping[str, float]) -> None:
        if row["step"] == 6:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(fresh(), small_split.training, small_split.held_out, tmp_path, 0, track=until_step_six)
    rows: list[Mapping[str, float]] = []
    train(fresh(), small_split.training, small_split.held_out, tmp_path, 0, track=rows.append)
    assert rows == [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
