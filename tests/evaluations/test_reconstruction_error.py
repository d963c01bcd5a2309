"""Reconstruction error: zero for the identity, correct for a known change; failures are counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn
from vcbench.evaluations.reconstruction_error import ReconstructionError

from tests.support.recordings import FakeRun
from vcbench.api.scores import constructed, scores_to_frame
from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.speech.corpora.split import Split
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.stages.score_cache import evaluate


class Louder(NeuralSystem):
    """Adds a constant to the mel, and checks that source and target are the same utterance."""

    name = "louder"

    def __init__(self, change: float, broken: Sequence[str] = ()) -> None:
        super().__init__(SystemConfig(training=TrainingSettings(steps=1)), MelSettings())
        self.change, self.broken = change, broken
        self.weight = nn.Linear(1, 1)
        self.largest_batch = 0

    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        self.largest_batch = max(self.largest_batch, len(sources))
        for source, target in zip(sources, targets, strict=True):
            assert (target.id, target.utterances) == (source.speaker, (source,))
            if source.id in self.broken:
                raise ValueError("the inverse exploded")
        return [source.mel + self.change for source in sources]


@pytest.mark.parametrize("change", [0.0, 0.25, -0.5])
def test_a_constant_change_is_the_error_in_every_band(small_split: Split, tmp_path: Path, change: float) -> None:
    system = Louder(change)
    run = FakeRun(tmp_path, split=small_split, loaded={"louder": system})
    scores = [
        score for score in evaluate(ReconstructionError(utterances=5), run) if score.column == "reconstruction_error"
    ]
    assert [score.condition for score in scores] == ["seen"] * 5 + ["unseen"] * 5
    assert [score.value for score in scores] == pytest.approx([abs(change)] * 10, abs=1e-5)
    assert all(score.detail["bands"] == pytest.approx([abs(change)] * 80, abs=1e-4) for score in scores)
    assert all(score.source_speaker for score in scores)
    assert system.largest_batch > 1
    held_out = {utterance.id for utterance in small_split.held_out}
    assert {score.trial for score in scores if score.condition == "seen"} <= held_out


@pytest.mark.parametrize("exact", [True, False])
def test_an_error_that_an_invertible_system_cannot_have_says_so(
    small_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: bool
) -> None:
    monkeypatch.setattr(Louder, "exact_inverse", exact)
    metric = ReconstructionError(utterances=2)
    scores = scores_to_frame(evaluate(metric, FakeRun(tmp_path, split=small_split, loaded={"louder": Louder(0.0)})))
    assert constructed(scores) == (["louder"] if exact else [])
    assert [text.startswith("louder: exact by construction") for _, text in metric.remarks(scores)] == [True] * exact


def test_the_error_is_the_l1_of_the_mels(small_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).standard_normal

    def noisy(self: Louder, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        made.update({one.id: one.mel + one.mel.new_tensor(noise(one.mel.shape)) for one in sources})
        return [made[one.id] for one in sources]

    made: dict[str, Tensor] = {}
    monkeypatch.setattr(Louder, "convert_batch", noisy)
    run = FakeRun(tmp_path, split=small_split, loaded={"louder": Louder(0.0)})
    originals = {one.id: one.mel for one in [*small_split.held_out, *small_split.unseen]}
    for score in evaluate(ReconstructionError(utterances=3), run):
        if score.column == "reconstruction_error":
            expected = float((made[score.trial] - originals[score.trial]).abs().mean())
            assert score.value == pytest.approx(expected, rel=1e-5)


def test_a_failed_reconstruction_is_counted_and_spares_its_neighbours(small_split: Split, tmp_path: Path) -> None:
    metric = ReconstructionError(utterances=6)
    whole = evaluate(metric, FakeRun(tmp_path, split=small_split, loaded={"louder": Louder(0.1)}))
    broken = whole[0].trial
    scores = evaluate(metric, FakeRun(tmp_path, split=small_split, loaded={"louder": Louder(0.1, [broken])}))
    failed = {score.trial: score for score in scores if score.column == "reconstruction_failed"}
    assert failed[broken].value == 1.0
    assert "exploded" in failed[broken].detail["error"]
    assert sum(score.value for score in failed.values()) == 1.0
    errors = {score.trial for score in scores if score.column == "reconstruction_error"}
    assert errors == failed.keys() - {broken}


def test_another_shape_or_nan_is_a_failure(small_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: Louder, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        return [one.mel[:, 1:] if row % 2 else one.mel * float("nan") for row, one in enumerate(sources)]

    monkeypatch.setattr(Louder, "convert_batch", wrong)
    run = FakeRun(tmp_path, split=small_split, loaded={"louder": Louder(0.0)})
    scores = evaluate(ReconstructionError(utterances=2), run)
    assert {score.column for score in scores} == {"reconstruction_failed"}
    assert {score.value for score in scores} == {1.0}


def test_the_seed_decides_which_utterances(small_split: Split, tmp_path: Path) -> None:
    run = FakeRun(tmp_path, split=small_split, loaded={"louder": Louder(0.0)})
    drawn = [{score.trial for score in evaluate(ReconstructionError(4, seed), run)} for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ValueError, match="at least 1"):
        ReconstructionError(utterances=0)
