"""A system that a speaker encoder conditions, in a run with that encoder's metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.small_run import stages
from vcbench.run.folder import read_scores
from vcbench.run.run import Run
from vcbench.run.selection import select


def test_its_encoders_metric_has_no_value_of_it_and_the_table_says_why(tmp_path: Path) -> None:
    pytest.importorskip("resemblyzer")
    config = select("tiny", None, ["workers=1", "reference_rows=['source']"], "vqvc,autovc")
    metrics = {name: config.metrics[name] for name in ("speaker_similarity_ge2e", "efficiency")}
    run = Run.create(tmp_path / "run", config.model_copy(update={"metrics": metrics}))
    stages(run)
    assert {"autovc", "vqvc", "source"} == set(Run.open(run.folder).rows)
    assert set(read_scores(run.files, "speaker_similarity_ge2e")["system"]) == {"vqvc", "source"}
    assert set(read_scores(run.files, "efficiency")["system"]) == {"autovc", "vqvc"}
    table = run.files.leaderboard("md").read_text()
    assert "autovc: none, because this encoder's embeddings condition it." in table
    assert "vqvc: none" not in table
