"""Prosody: a shifted melody counts as the same, another one does not, and recordings without voice are handled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vcbench.evaluations.prosody import ENOUGH, Prosody, compare

from tests.support.recordings import FakeRun, conversion
from vcbench.speech.utterance import Corpus
from vcbench.speech.world import convert_with_world
from vcbench.stages.score_cache import evaluate


def contour(seed: int, frames: int = 200) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    voiced = random.random(frames) > 0.3
    melody = 5.0 + np.cumsum(random.normal(0, 0.02, frames))
    return np.where(voiced, melody, 0.0).astype(np.float32), voiced


@given(st.integers(0, 1000), st.floats(-1, 1), st.floats(0.3, 3))
def test_a_moved_and_stretched_melody_is_the_same(seed: int, shift: float, stretch: float) -> None:
    log_f0, voiced = contour(seed)
    moved = np.where(voiced, (log_f0 - 5) * stretch + 5 + shift, 0.0).astype(np.float32)
    correlation, error, common = compare((moved, voiced), (log_f0, voiced))
    assert correlation == pytest.approx(1.0, abs=1e-3)
    assert (error, common) == (0.0, voiced.sum())


def test_an_inverted_melody_is_the_opposite_and_voicing_errors_are_counted() -> None:
    log_f0, voiced = contour(0)
    inverted = np.where(voiced, 10 - log_f0, 0.0)
    assert compare((inverted, voiced), (log_f0, voiced))[0] == pytest.approx(-1.0, abs=1e-5)
    fewer = voiced.copy()
    fewer[np.flatnonzero(voiced)[:20]] = False
    _, error, common = compare((log_f0 * fewer, fewer), (log_f0, voiced))
    assert (error, common) == (20 / 200, voiced.sum() - 20)


def test_a_stretched_recording_is_compared_at_the_same_relative_time() -> None:
    log_f0, voiced = contour(3)
    assert compare((log_f0.repeat(2), voiced.repeat(2)), (log_f0, voiced))[0] > 0.95


@pytest.mark.parametrize("common", [0, ENOUGH - 1])
def test_what_has_no_melody_counts_as_none(common: int) -> None:
    log_f0, _ = contour(0)
    voiced = np.arange(200) < common
    assert compare((log_f0 * voiced, voiced), (log_f0, np.ones(200, bool)))[0] == 0.0
    monotone = np.full(200, 5.0), np.ones(200, bool)
    assert compare(monotone, (np.arange(200) / 100 + 4, np.ones(200, bool)))[0] == 0.0


def test_world_keeps_the_melody_and_meets_the_register(small_corpus: Corpus, tmp_path: Path) -> None:
    source, target = small_corpus.speakers[0], small_corpus.speakers[3]
    spoken = source.utterances[0]
    noise = 0.05 * np.random.default_rng(0).standard_normal(len(spoken.wave))
    made = {
        "source": spoken.wave.numpy(),
        "world": convert_with_world(spoken, target.utterances[:1]).numpy(),
        "noise": noise,
    }
    conversions = [conversion(tmp_path, wave, spoken, target, system=system) for system, wave in made.items()]
    other = target.utterances[5]
    conversions.append(conversion(tmp_path, other.wave.numpy(), spoken, target, system="target", spoken=other))
    metric = Prosody()
    found = {
        (score.system, score.column): score for score in evaluate(metric, FakeRun(tmp_path / "scores", conversions))
    }
    value = {key: score.value for key, score in found.items()}
    assert value["source", "f0_correlation"] > 0.99
    assert value["world", "f0_correlation"] > 0.8
    assert value["target", "f0_correlation"] > 0.99
    assert value["noise", "f0_correlation"] < 0.3
    assert value["source", "voicing_error"] < 0.02 < value["noise", "voicing_error"]
    assert value["world", "register_difference"] < value["source", "register_difference"]
    signed = found["source", "register_difference"].detail["semitones"]
    assert abs(signed) == pytest.approx(value["source", "register_difference"], abs=0.01)


def test_a_recording_without_voice_has_no_register(small_corpus: Corpus, tmp_path: Path) -> None:
    source, target = small_corpus.speakers[0].utterances[0], small_corpus.speakers[3]
    hiss = 0.05 * np.diff(np.random.default_rng(0).standard_normal(22051))
    metric = Prosody()
    metric.load(torch.device("cpu"))
    click = np.zeros(22050)
    click[100] = 0.5
    (scores,) = metric.measure([conversion(tmp_path, click, source, target)])
    assert [column for column, *_ in scores] == ["f0_correlation", "voicing_error"]
    assert scores[0][1] == 0.0
    two = [conversion(tmp_path, wave, source, target, trial=f"t{n}") for n, wave in enumerate((hiss, click))]
    assert metric.measure(two)[1] == scores
    with pytest.raises(ValueError, match="no feature store"):
        metric.measure([replace(two[0], spoken=replace(source, features=None))])
