"""PESQ and STOI: the packages' own values where the timing is the same; another timing is undone first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyworld
from vcbench.evaluations import reference_quality as module
from vcbench.evaluations.reference_quality import RATE, ReferenceQuality, compare, in_time

from tests.support.recordings import FakeRun, parallel_conversions
from vcbench.base.errors import ModelUnavailable
from vcbench.speech import audio
from vcbench.speech.utterance import Corpus
from vcbench.stages.score_cache import evaluate


@pytest.fixture(scope="module")
def speech(small_corpus: Corpus) -> np.ndarray:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    pytest.importorskip("pytsmod")
    utterance = small_corpus.speakers[0].utterances[0]
    return audio.resample(utterance.wave.numpy(), utterance.sampling_rate, RATE).astype(np.float64)


def test_in_noise_the_values_are_the_packages_and_fall_with_the_noise(speech: np.ndarray) -> None:
    from pesq import pesq
    from pystoi import stoi

    noise = np.random.default_rng(0).standard_normal(len(speech))
    found = []
    for level in (0.001, 0.01):
        noisy = speech + level * noise
        scores = {one.column: one.value for one in compare(noisy, in_time(speech, noisy))}
        assert scores["pesq"] == pytest.approx(pesq(RATE, speech, noisy, "wb"), abs=1e-6)
        assert scores["stoi"] == pytest.approx(stoi(speech, noisy, RATE), abs=1e-6)
        assert scores["estoi"] == pytest.approx(stoi(speech, noisy, RATE, extended=True), abs=1e-6)
        found.append(scores)
    assert all(found[0][column] > found[1][column] for column in ReferenceQuality.columns)


def test_another_timing_is_undone(speech: np.ndarray) -> None:
    """WORLD says the sentence again at the same speed, and with a first half that is slower than the second."""
    f0, power, noise = pyworld.wav2world(speech, RATE, frame_period=5.0)
    again = pyworld.synthesize(f0, power, noise, RATE, 5.0)
    half = len(f0) // 2
    order = np.concatenate([np.repeat(np.arange(half), 3)[::2], np.arange(half, len(f0))])
    slowed = pyworld.synthesize(f0[order], power[order], noise[order], RATE, 5.0)
    raw = {one.column: one.value for one in compare(again, slowed[: len(again)])}
    warped = in_time(slowed, again)
    assert len(warped) == len(again)
    undone = {one.column: one.value for one in compare(again, warped)}
    assert raw["stoi"] < 0.45 < 0.6 < undone["stoi"]
    assert raw["estoi"] + 0.3 < undone["estoi"]
    assert undone["pesq"] > raw["pesq"]


def test_the_target_is_best_and_a_trial_without_a_parallel_recording_has_no_row(
    speech: np.ndarray, small_corpus: Corpus, tmp_path: Path
) -> None:
    conversions = parallel_conversions(tmp_path, small_corpus.speakers[0].utterances[0], small_corpus.speakers[3])
    found = evaluate(ReferenceQuality(), FakeRun(tmp_path / "s", conversions))
    values = {(score.system, score.column): score.value for score in found}
    assert {system for system, _ in values} == {"source", "target"}
    assert values["target", "stoi"] > 0.99
    assert values["target", "pesq"] > 4.5
    for column in ReferenceQuality.columns:
        assert values["source", column] < values["target", column]


def test_a_recording_without_speech_has_no_pesq(speech: np.ndarray) -> None:
    silent = np.zeros_like(speech)
    assert "pesq" not in {one.column for one in compare(silent, silent)}


def test_a_missing_package_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "pesq" else object())
    with pytest.raises(ModelUnavailable, match=r"needs pesq\. Get it with: pip install pesq$"):
        ReferenceQuality().check()
