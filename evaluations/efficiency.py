"""Efficiency: what a system costs, measured on the run's device during training and conversion.

Parameters; training seconds and steps; seconds of conversion and of the vocoder per second of speech (real-time factors: below 1 is
faster than real time). A reference row has no parameters and no training. The run's manifest names the device. Do not compare
figures from different devices, or from a machine that did other work at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vcbench.api.metric import Metric
from vcbench.api.scores import Column, Score

if TYPE_CHECKING:
    from vcbench.api.metric import RunView

FACTORS = {"conversion_factor": "conversion_seconds", "vocoder_factor": "vocoder_seconds"}


class Efficiency(Metric):
    """Parameters, training time, real-time factors, memory. One row per figure and system, with the condition `all`."""

    name = "efficiency"
    summary = (
        "Counts parameters and measures time and memory of training, and how long conversion takes per "
        "second of speech."
    )
    columns: ClassVar[dict[str, Column]] = {
        "parameters": Column("Parameters (millions)", False, 2, exact=True),
        "training_seconds": Column("Training (s)", False, 0, clocked=True),
        "training_steps": Column("Training steps", None, 0, main=False),
        "conversion_factor": Column("Conversion, real-time factor", False, 4, clocked=True, role="speed"),
        "vocoder_factor": Column("Vocoder, real-time factor", False, 4, main=False, clocked=True),
        "peak_memory": Column("Peak memory of training (GiB)", False, 2, main=False, clocked=True),
    }
    needs_recordings = False

    def settings(self) -> dict[str, Any]:
        return {"measured": "while training and converting"}

    def evaluate(self, run: RunView) -> list[Score]:
        return [
            Score(row, column, trial="all", condition="all", value=value)
            for row in run.rows
            for column, value in figures(run.efficiency(row)).items()
        ]


def figures(costs: dict[str, float]) -> dict[str, float]:
    """Columns from the result of `RunView.efficiency`; values that were not measured are left out."""
    found: dict[str, float] = {
        name: float(costs[name]) for name in ("training_seconds", "training_steps") if name in costs
    }
    if "parameters" in costs:
        found["parameters"] = costs["parameters"] / 1e6
    if "peak_memory" in costs:
        found["peak_memory"] = costs["peak_memory"] / 2**30
    if costs.get("audio_seconds"):
        found |= {factor: costs[name] / costs["audio_seconds"] for factor, name in FACTORS.items() if name in costs}
    return found
