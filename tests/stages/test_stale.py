"""Scores and conversions are made again when the code that made them changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.made_up_run import made_up_run
from tests.support.recordings import FakeRun, conversion
from vcbench.api import registry
from vcbench.api.metric import Metric
from vcbench.run.run import Run
from vcbench.speech.utterance import Corpus
from vcbench.stages.convert import conversion_key
from vcbench.stages.score_cache import evaluate

METRIC = """
from vcbench.api import AudioMetric, Column
from level import LEVEL

class Constant(AudioMetric):
    name = "constant"
    columns = {"constant": Column("Constant", True)}
    files = ("weights.txt",)

    def measure(self, conversions):
        from pathlib import Path
        extra = float((Path(__file__).parent / "weights.txt").read_text())
        return [[("constant", LEVEL + extra, 1.0, {})] for _ in conversions]
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "constant.py").write_text(METRIC.replace("from level import LEVEL", "LEVEL = 1"))
    (folder / "weights.txt").write_text("0")
    return folder / "constant.py"


def load(plugin: Path) -> Metric:
    metric: Metric = registry.load("metrics", f"{plugin}:Constant")()
    return metric


def values(metric: Metric, run: FakeRun) -> set[float]:
    return {score.value for score in evaluate(metric, run)}


def test_a_metric_whose_code_or_weights_change_scores_again(plugin: Path, tmp_path: Path, small_corpus: Corpus) -> None:
    first, second = small_corpus.speakers[:2]
    one = conversion(tmp_path / "converted", np.full(8000, 0.1), first.utterances[0], second)
    run = FakeRun(tmp_path / "scores", [one])
    assert values(load(plugin), run) == {1.0}
    plugin.write_text(plugin.read_text().replace("LEVEL = 1", "LEVEL = 2"))
    assert values(load(plugin), run) == {2.0}
    (plugin.parent / "weights.txt").write_text("5")
    assert values(load(plugin), run) == {7.0}


def system_run(folder: Path, plugin: Path) -> Run:
    folder.parent.mkdir()
    run = made_up_run(folder, ["one"], {"one": 0.5})
    return Run(run.folder, run.config.model_copy(update={"systems": {"one": {"system": f"{plugin}:Mine"}}}))


def test_a_helper_of_a_systems_file_decides_its_conversions(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin" / "mine.py"
    plugin.parent.mkdir()
    (plugin.parent / "my_helper.py").write_text("GAIN = 1\n")
    plugin.write_text("import my_helper\n\nclass Mine:\n    produces = 'wave'\n")
    run = system_run(tmp_path / "runs" / "made", plugin)
    before = conversion_key(run, "one")
    assert conversion_key(run, "one") == before
    (plugin.parent / "my_helper.py").write_text("GAIN = 2\n")
    assert conversion_key(run, "one") != before


def test_features_are_computed_on_the_runs_device(tmp_path: Path) -> None:
    run = made_up_run(tmp_path / "made", ["one"], {"one": 0.5})
    assert run.store.device == run.device.type == "cpu"
    elsewhere = Run(run.folder, run.config)
    elsewhere.device = torch.device("meta")
    assert elsewhere.store.device == "meta"
