"""Efficiency: figures from the stages' measurements."""

from __future__ import annotations

from pathlib import Path

import pytest
from vcbench.evaluations.efficiency import Efficiency, figures

from tests.support.recordings import FakeRun
from vcbench.stages.score_cache import evaluate


def test_factors_are_seconds_per_second_of_speech() -> None:
    costs = {
        "parameters": 7_900_000,
        "training_seconds": 350.0,
        "training_steps": 1000,
        "conversion_seconds": 5.0,
        "vocoder_seconds": 40.0,
        "audio_seconds": 100.0,
        "peak_memory": 2**31,
    }
    found = figures(costs)
    assert found == pytest.approx(
        {
            "parameters": 7.9,
            "training_seconds": 350.0,
            "training_steps": 1000.0,
            "conversion_factor": 0.05,
            "vocoder_factor": 0.4,
            "peak_memory": 2.0,
        }
    )
    assert found.keys() <= Efficiency.columns.keys()


def test_what_was_not_measured_has_no_row(tmp_path: Path) -> None:
    run = FakeRun(tmp_path, efficiencies={"again_vc": {"parameters": 1e6}, "source": {"audio_seconds": 9.0}})
    (score,) = evaluate(Efficiency(), run)
    assert (score.system, score.column, score.value, score.condition) == ("again_vc", "parameters", 1.0, "all")
