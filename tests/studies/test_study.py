"""A study's cells and metrics under a preset."""

from __future__ import annotations

import pytest

from vcbench.base.settings import ConfigError
from vcbench.run import config
from vcbench.studies import study


def test_a_cell_takes_the_presets_settings_of_a_system_that_all_leaves_out() -> None:
    cells = {cell.label: cell.settings for cell in study.resolve("one_shot_family", "tiny").cells}
    named = config.named_systems("tiny")
    assert cells["VQVC+"]["codes"] == named["vqvc"]["codes"]
    assert cells["AutoVC"]["training"]["steps"] == named["autovc"]["training"]["steps"] == 20
    assigned = study.resolve("one_shot_family", "tiny", None, ["systems.autovc.factor=4"]).cells[-1].settings
    assert (assigned["factor"], assigned["bottleneck"]) == (4, named["autovc"]["bottleneck"])


def test_a_metric_that_a_study_needs_cannot_be_left_out() -> None:
    with pytest.raises(ConfigError, match=r"metrics: there is no 'naturalness'"):
        study.resolve("one_shot_family", "tiny", None, ["metrics.naturalness=false"])
