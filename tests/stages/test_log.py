"""`--log tensorboard`: curves of systems that worker processes train; no hash depends on it, and it can change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.base.test_tracking import curves
from vcbench.base.settings import ConfigError
from vcbench.reporting.manifest import write_manifest
from vcbench.run.config import parse, plain
from vcbench.run.run import Run
from vcbench.run.selection import select
from vcbench.stages.prepare import prepare
from vcbench.stages.train import train_rows


def test_worker_processes_write_what_train_jsonl_holds(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    config = select("tiny", None, ["log=tensorboard", "workers=2"], "again_vc,adain_vc")
    run = Run.create(tmp_path / "run", config)
    prepare(run, lambda *arguments: None)
    train_rows(run, run.systems, lambda *arguments: None)
    for row in run.systems:
        log = [json.loads(line) for line in run.files.training_log(row).read_text().splitlines()]
        expected = {key: [(one["step"], pytest.approx(one[key])) for one in log] for key in log[0] if key != "step"}
        assert curves(run.files.system(row)) == expected
    write_manifest(run, {})
    before = json.loads(run.files.manifest.read_text())["config_hash"]
    without = Run.create(run.folder, parse(plain(config) | {"log": "none"}))
    assert without.config.log == "none"
    write_manifest(without, {})
    assert json.loads(run.files.manifest.read_text())["config_hash"] == before


def test_an_unknown_tracker_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"log = 'tensorbord'.*'none', 'tensorboard' or 'wandb'"):
        select("tiny", None, ["log=tensorbord"], "again_vc")
