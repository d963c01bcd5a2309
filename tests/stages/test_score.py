"""Scoring: cached per recording, and invalid scores are not kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.recordings import FakeRun, conversion
from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric, SystemMetric
from vcbench.api.scores import FIELDS, Column, Measurement, Score, scores_to_frame
from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.speech import audio
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Corpus
from vcbench.stages import score_cache as scoring
from vcbench.stages.score_cache import ScoringError, evaluate, score_recordings, score_systems


class Peak(AudioMetric):
    """The largest sample, weighted by the duration."""

    name = "peak"
    columns = {"peak": Column("Peak", None)}  # noqa: RUF012
    reads = ("text",)

    def __init__(self, scale: float = 1.0, fail_at: int | None = None) -> None:
        self.scale, self.fail_at, self.measured = scale, fail_at, 0
        self.loads = self.unloads = 0

    def settings(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def load(self, device: torch.device) -> None:
        self.loads += 1

    def unload(self) -> None:
        self.unloads += 1

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        if self.fail_at is not None and self.measured >= self.fail_at:
            raise RuntimeError("the machine went away")
        self.measured += len(conversions)
        waves = [audio.read(one.path, 22050) for one in conversions]
        return [
            [("peak", self.scale * float(np.abs(wave).max()), len(wave) / 22050, {"samples": len(wave)})]
            for wave in waves
        ]


@pytest.fixture
def run(small_corpus: Corpus, tmp_path: Path) -> FakeRun:
    speakers = small_corpus.speakers
    random = np.random.default_rng(0)
    conversions = [
        conversion(
            tmp_path, random.uniform(-0.5, 0.5, 3000), speakers[n % 3].utterances[n], speakers[3], trial=f"t{n:04d}"
        )
        for n in range(7)
    ]
    return FakeRun(tmp_path / "scores", conversions)


def test_every_recording_is_scored_once_and_then_comes_from_the_cache(run: FakeRun) -> None:
    first, again = Peak(), Peak()
    scores = score_recordings(first, run)
    assert [score.trial for score in scores] == [one.trial for one in run.conversions]
    assert first.measured == 7
    assert (first.loads, first.unloads) == (1, 1)
    assert score_recordings(again, run) == scores
    assert (again.measured, again.loads) == (0, 0)
    assert scores[2].source_speaker == run.conversions[2].source.speaker
    assert scores[2].target_speaker == run.conversions[2].target.id
    assert scores[2].value == pytest.approx(float(np.abs(audio.read(run.conversions[2].path, 22050)).max()))


def test_what_conditions_a_system_never_scores_it(run: FakeRun) -> None:
    first, *others = run.conversions
    run.conversions = [replace(first, conditioned_on="mine"), replace(others[0], conditioned_on="another"), *others[1:]]
    metric, plain = Peak(), Peak()
    metric.speaker_encoder = "mine"  # type: ignore[misc]
    assert [score.trial for score in score_recordings(metric, run)] == [one.trial for one in others]
    assert metric.measured == len(others)
    assert len(score_recordings(plain, run)) == len(run.conversions)


def test_other_settings_version_text_or_audio_are_scored_anew(run: FakeRun, tmp_path: Path) -> None:
    score_recordings(Peak(), run)
    louder = Peak(scale=2.0)
    score_recordings(louder, run)
    assert louder.measured == 7
    newer = Peak()
    newer.version = 2
    score_recordings(newer, run)
    assert newer.measured == 7
    one = run.conversions[0]
    run.conversions = [replace(one, spoken=replace(one.spoken, text="other words")), *run.conversions[1:]]
    other_text = Peak()
    score_recordings(other_text, run)
    assert other_text.measured == 1
    audio.write(one.path, np.full(3000, 0.25, dtype=np.float32), 22050)
    run.conversions = [replace(one, audio_hash="another"), *run.conversions[1:]]
    other_audio = Peak()
    assert score_recordings(other_audio, run)[0].value == pytest.approx(0.25, abs=1e-3)
    assert other_audio.measured == 1


def test_what_a_metric_does_not_read_does_not_matter_and_what_it_reads_does(run: FakeRun) -> None:
    one = run.conversions[0]
    run.conversions = [one, replace(one, trial="t9999", enrolment=one.enrolment[:1])]
    metric = Peak()
    assert [score.trial for score in score_recordings(metric, run)] == [one.trial, "t9999"]
    assert metric.measured == 1
    reader = Peak()
    reader.reads = ("enrolment",)
    score_recordings(reader, run)
    assert reader.measured == 2


def test_a_kill_loses_at_most_a_chunk(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "CHUNK", 2)
    dying = Peak(fail_at=4)
    with pytest.raises(RuntimeError, match="went away"):
        score_recordings(dying, run)
    assert dying.unloads == 1
    rest = Peak()
    resumed = score_recordings(rest, run)
    assert rest.measured == 3
    assert run.calls[-1] == (3, 3)
    run.score_cache = run.score_cache.parent / "fresh"
    assert score_recordings(Peak(), run) == resumed


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([("peak", float("nan"), 1.0, {})], "peak is nan"),
        ([("peak", 1.0, float("inf"), {})], "weight inf"),
        ([("peak", 1.0, -1.0, {})], "weight -1.0"),
        ([("beak", 1.0, 1.0, {})], "column 'beak'"),
        ([("peak", 1.0, 1.0, {}), ("peak", 2.0, 1.0, {})], "more than once"),
    ],
)
def test_what_is_no_score_is_an_error_and_is_not_cached(run: FakeRun, result: list[Any], message: str) -> None:
    class Broken(Peak):
        def measure(self, conversions: Sequence[Conversion]) -> list[Any]:
            return [result] * len(conversions)

    with pytest.raises(ScoringError, match=message):
        score_recordings(Broken(), run)
    healthy = Peak()
    score_recordings(healthy, run)
    assert healthy.measured == 7


def test_too_few_results_are_an_error(run: FakeRun) -> None:
    class Forgetful(Peak):
        def measure(self, conversions: Sequence[Conversion]) -> list[Any]:
            return super().measure(conversions)[1:]

    with pytest.raises(ScoringError, match="given 7 recordings and returned 6"):
        score_recordings(Forgetful(), run)


def test_a_damaged_cache_file_is_scored_anew(run: FakeRun, caplog: pytest.LogCaptureFixture) -> None:
    scores = score_recordings(Peak(), run)
    files = sorted(run.score_cache.rglob("*.json"))
    files[0].write_text('[["peak", 0.')
    repaired = Peak()
    assert score_recordings(repaired, run) == scores
    assert repaired.measured == 1
    assert "damaged" in caplog.text


def test_the_frame_has_a_row_per_score_and_details_as_json() -> None:
    frame = scores_to_frame([Score("s", "peak", "t0", "all", 0.5, 2.0, "p1", "p2", {"text": "é"})])
    assert list(frame.columns) == list(FIELDS)
    assert json.loads(frame["detail"][0]) == {"text": "é"}
    assert list(scores_to_frame([]).columns) == list(FIELDS)


class Size(SystemMetric):
    """Three made-up scores; it records which systems it measured."""

    name = "size"
    columns = {"size": Column("Size", None)}  # noqa: RUF012

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.measured: list[str] = []

    def settings(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def measure(self, system: NeuralSystem, row: str, run: Any) -> list[Score]:
        self.measured.append(row)
        return [Score(row, "size", f"u{n}", "all", self.scale * n, detail={"n": n}) for n in range(3)]


def systems_run(folder: Path, **keys: str) -> FakeRun:
    system = NeuralSystem(SystemConfig(training=TrainingSettings(steps=1)), MelSettings())
    return FakeRun(folder, loaded=dict.fromkeys(keys, system), system_keys=keys)


def test_a_system_is_measured_once_for_its_weights_whatever_its_row_is_called(tmp_path: Path) -> None:
    first, again = Size(), Size()
    scores = score_systems(first, systems_run(tmp_path, a="weights 1", b="weights 2"))
    assert first.measured == ["a", "b"]
    assert [score.system for score in scores] == ["a"] * 3 + ["b"] * 3
    assert evaluate(again, systems_run(tmp_path, a="weights 1", b="weights 2")) == scores
    renamed = evaluate(again, systems_run(tmp_path, c="weights 2"))
    assert again.measured == []
    assert renamed == [replace(score, system="c") for score in scores[3:]]


def test_other_weights_settings_or_version_are_measured_anew(tmp_path: Path) -> None:
    evaluate(Size(), systems_run(tmp_path, a="weights 1"))
    other_weights, other_settings, other_version = Size(), Size(scale=2.0), Size()
    other_version.version = 2
    evaluate(other_weights, systems_run(tmp_path, a="weights 2"))
    for metric in (other_settings, other_version):
        evaluate(metric, systems_run(tmp_path, a="weights 1"))
    assert [metric.measured for metric in (other_weights, other_settings, other_version)] == [["a"]] * 3


def test_a_system_without_weights_is_not_cached_and_one_not_trained_here_has_no_row(tmp_path: Path) -> None:
    run = FakeRun(tmp_path, loaded=systems_run(tmp_path, a="").loaded | {"signal": object()})
    metric = Size()
    assert {score.system for score in evaluate(metric, run) + evaluate(metric, run)} == {"a"}
    assert metric.measured == ["a", "a"]
    assert not list(tmp_path.rglob("*.json"))


def test_a_systems_score_that_is_none_is_refused_and_a_damaged_file_measured_anew(tmp_path: Path) -> None:
    run = systems_run(tmp_path, a="weights 1")
    with pytest.raises(ScoringError, match="size, a, u0: size is nan"):
        evaluate(Size(scale=float("nan")), run)
    scores = evaluate(Size(), run)
    for path in tmp_path.rglob("*.json"):
        path.write_text("[{")
    repaired = Size()
    assert evaluate(repaired, run) == scores
    assert repaired.measured == ["a"]
