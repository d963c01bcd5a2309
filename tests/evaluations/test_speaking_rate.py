"""Speaking rate: phones are counted without pauses, and a slowed recording is found slower by what it was slowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyworld
from vcbench.evaluations.speaking_rate import SpeakingRate, count, rate

from tests.support.recordings import FakeRun, conversion
from vcbench.speech.features.settings import INVENTORY, SILENCE
from vcbench.speech.utterance import Corpus
from vcbench.stages.score_cache import evaluate


def frames(*phones: str) -> np.ndarray:
    return np.array([INVENTORY.index(phone) for phone in phones])


def test_phones_are_runs_of_a_label_and_pauses_are_none() -> None:
    assert count(frames(SILENCE, "HH", "AH", "AH", SILENCE, "L", "OW", "OW", SILENCE)) == 4
    assert count(frames(SILENCE, SILENCE)) == 0
    assert count(np.zeros(5, dtype=int)) == 0
    assert count(np.zeros(0, dtype=int)) == 0


def test_a_slowed_recording_is_slower_by_as_much(small_corpus: Corpus, tmp_path: Path) -> None:
    source, target = small_corpus.speakers[0].utterances[0], small_corpus.speakers[3]
    samples, sampling_rate = source.wave.numpy().astype(np.float64), source.sampling_rate
    features = pyworld.wav2world(samples, sampling_rate, frame_period=5.0)
    made = {
        "source": samples,
        "slow": pyworld.synthesize(*features, sampling_rate, 7.5),
        "paused": np.concatenate([samples, np.zeros(sampling_rate), 1e-4 * np.ones(10)]),
    }
    conversions = [conversion(tmp_path, wave, source, target, system=system) for system, wave in made.items()]
    run = FakeRun(tmp_path / "s", conversions)
    found = {(score.system, score.column): score for score in evaluate(SpeakingRate(), run)}
    value = {key: score.value for key, score in found.items()}
    original = rate([source])
    assert 5 < original < 25
    assert value["source", "rate_difference_source"] == pytest.approx(0.0, abs=0.2)
    assert value["paused", "rate_difference_source"] == pytest.approx(0.0, abs=0.05 * original)
    slow = found["slow", "rate_difference_source"].detail
    assert slow["rate"] == pytest.approx(original / 1.5, rel=0.1)
    assert slow["compared with"] == pytest.approx(original, abs=0.01)
    expected = abs(original - rate(target.utterances[1:4]))
    assert value["source", "rate_difference"] == pytest.approx(expected, abs=0.2)


def test_a_recording_without_phones_has_no_rate(small_corpus: Corpus, tmp_path: Path) -> None:
    source, target = small_corpus.speakers[0].utterances[0], small_corpus.speakers[3]
    click = np.zeros(4000)
    click[100] = 0.5
    assert SpeakingRate().measure([conversion(tmp_path, click, source, target)]) == [[]]
