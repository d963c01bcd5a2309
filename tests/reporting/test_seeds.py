"""Mean and spread over training seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.made_up_run import made_up_run
from vcbench.reporting.publish import tabulate
from vcbench.reporting.seeds import over_seeds, seed_lines, write_seeds


def test_the_spread_is_over_seeds(tmp_path: Path) -> None:
    run = made_up_run(tmp_path / "made", ["one", "two"], {"one": 0.5, "two": 0.7, "source": 0.2, "target": 0.9})
    board = tabulate(run, {})
    boards = {seed: replace(board, cells=board.cells.assign(mean=board.cells["mean"] + seed)) for seed in (0, 1, 5)}
    table = over_seeds(boards)
    assert len(table) == len(board.cells)
    before = board.cells.set_index(["condition", "column", "system"])["mean"]
    for row in table.itertuples():
        own = before[row.condition, row.column, row.system]
        assert (row.mean, row.lowest, row.highest) == pytest.approx((own + 2, own, own + 5))
        assert row.deviation == pytest.approx(np.std([0, 1, 5], ddof=1))
        assert row.seeds == 3
    path = write_seeds(table, [0, 1, 5], run.files)
    assert path.read_text().splitlines() == seed_lines(table, [0, 1, 5])
    assert "training seeds 0, 1, 5" in path.read_text()
    assert (run.folder / "seeds.csv").is_file()
