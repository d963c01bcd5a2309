"""What the axes of a study's plots show."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import pyplot

from tests.studies.test_results import table
from tests.support.studies import TOY, resolved
from vcbench.studies import plots
from vcbench.studies.results import StudyResults


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.9, 1.0, 0.98], 0, 103),  # the interval over three seeds exceeds what the figure can be
        ([0.01, 0.05, 0.02], 0, 80),
        ([1.1, 1.2, 1.3], 0, 160),  # e.g. a word error rate
    ],
)
def test_percentages_end_at_100_unless_they_are_really_above(
    tmp_path: Path, values: list[float], low: float, high: float
) -> None:
    found = resolved(tmp_path, TOY)
    results = StudyResults(found, table(3, none=values, sigmoid=values), (0, 1, 2))
    figure, axis = pyplot.subplots()
    plots._bars(results, found.file.draw[0], axis)
    bottom, top = axis.get_ylim()
    pyplot.close(figure)
    interval = results.interval("none", "probe_content")
    assert interval is not None
    assert bottom == low
    assert min(100 * interval.high, 103) <= top <= high
