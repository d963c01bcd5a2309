"""Counted operations follow the sizes; tables have a row per system, and the published code where there is some."""

from __future__ import annotations

import pytest
from vcbench.systems.again_vc.system import AgainConfig, AgainVC

from vcbench.bench.speed import convert, train
from vcbench.run import config
from vcbench.run.config import RunConfig
from vcbench.speech.features.settings import MelSettings
from vcbench.training.cost import step_operations


def small(**changed: int) -> AgainVC:
    training = AgainConfig().training.model_copy(update={"batch_size": 4, "frames": 32, **changed})
    return AgainVC(AgainConfig(hidden=16, gru_hidden=16, blocks=2, training=training), MelSettings())


def test_operations_of_a_step_grow_with_batch_and_frames() -> None:
    once = step_operations(small())
    assert step_operations(small(batch_size=8)) == pytest.approx(2 * once)
    assert step_operations(small(frames=64)) == pytest.approx(2 * once, rel=0.1)


def test_counting_leaves_the_system_as_it_was() -> None:
    system = small()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    step_operations(system)
    assert all((value == before[name]).all() for name, value in system.state_dict().items())


@pytest.fixture(scope="module")
def tiny() -> RunConfig:
    values = config.resolve("tiny")
    chosen = {name: values["systems"][name] for name in ("again_vc", "flowvc")}
    return config.parse(values | {"systems": chosen})


def test_training_is_timed_beside_the_published_code_where_there_is_some(tiny: RunConfig) -> None:
    rows = {row[0]: row for row in train(tiny, threads=1, steps=2)}
    assert rows["again_vc"][-1].endswith(" x")
    assert rows["flowvc"][-1] == ""
    assert all(float(row[3]) > 0 for row in rows.values())


def test_conversion_is_timed_alone_in_a_batch_and_with_its_vocoder(tiny: RunConfig) -> None:
    rows = convert(tiny, threads=1, repeats=1)
    assert [row[0] for row in rows] == ["again_vc", "flowvc"]
    assert all(float(value) > 0 for row in rows for value in row[1:])
