"""Mel-cepstral distortion: reproduces pymcd's and SPTK's figures with their settings; the alignment is optimal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pyworld
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from vcbench.evaluations.mel_cepstral_distortion import (
    DECIBELS,
    MelCepstralDistortion,
    align,
    analyse,
    cepstra,
    distortion,
    envelope,
    log_f0_error,
    mel_constant,
)

from tests.support.recordings import FakeRun, parallel_conversions
from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.utterance import Corpus
from vcbench.stages.score_cache import evaluate

RATE = 22_050


# pymcd 0.2.1 (pysptk 1.0.1) on sentence p01 of the embedded corpus at 22.05 kHz: voice, voice, "plain", "dtw".
PYMCD = (
    ("am-echo", "af-heart", 17.70726466714956, 7.462432629564106),
    ("am-echo", "bf-emma", 15.243092106807032, 6.80742108131448),
)


def pymcd_cepstra(wave: np.ndarray) -> np.ndarray:
    """Cepstra with pymcd's settings, with WORLD's power treated as an amplitude."""
    _, power, _ = pyworld.wav2world(wave.astype(np.float64), RATE, frame_period=5.0, fft_size=512)
    return cepstra(power**2, RATE, order=13, alpha=0.65)


@pytest.mark.parametrize(("first", "second", "plain", "warped"), PYMCD)
def test_pymcds_figures_come_out_with_pymcds_settings(first: str, second: str, plain: float, warped: float) -> None:
    speakers = {speaker.id: speaker for speaker in load_corpus("mini").speakers}
    waves = []
    for speaker in (first, second):
        sentence = next(one for one in speakers[speaker].utterances if one.id.endswith("p01"))
        waves.append(audio.read(sentence.path, RATE, sentence.span))
    longest = max(map(len, waves))
    one, other = (pymcd_cepstra(np.pad(wave, (0, longest - len(wave)))) for wave in waves)
    assert DECIBELS * np.linalg.norm(one - other, axis=1).mean() == pytest.approx(plain, rel=1e-4)
    one, other = map(pymcd_cepstra, waves)
    path = align(cdist(one[:, 1:], other[:, 1:]))
    # pymcd aligns approximately (fastdtw), so its path differs; its distance includes energy.
    assert DECIBELS * np.linalg.norm(one[path[0]] - other[path[1]], axis=1).mean() == pytest.approx(warped, rel=0.05)


def test_cepstra_are_the_cosine_series_of_the_log_amplitude() -> None:
    """Without warping: an amplitude whose logarithm is 0.3 - 0.8 cos(w) + 0.25 cos(3 w)."""
    angle = np.linspace(0, np.pi, 257)
    amplitude = np.exp(0.3 - 0.8 * np.cos(angle) + 0.25 * np.cos(3 * angle))
    found = cepstra(amplitude[None] ** 2, RATE, order=4, alpha=0.0)
    assert found[0] == pytest.approx([0.3, -0.8, 0.0, 0.25, 0.0], abs=1e-6)


def test_warped_cepstra_are_the_series_on_the_warped_axis() -> None:
    angle, alpha = np.linspace(0, np.pi, 1025), 0.455
    warped = angle + 2 * np.arctan(alpha * np.sin(angle) / (1 - alpha * np.cos(angle)))
    amplitude = np.exp(-1.0 + 0.5 * np.cos(warped) - 0.2 * np.cos(2 * warped))
    found = cepstra(amplitude[None] ** 2, RATE, order=3, alpha=alpha)
    assert found[0] == pytest.approx([-1.0, 0.5, -0.2, 0.0], abs=1e-4)


@pytest.mark.parametrize(("rate", "constant"), [(16_000, 0.410), (22_050, 0.455), (48_000, 0.554)])
def test_the_mel_axis_fits_the_rate(rate: int, constant: float) -> None:
    assert mel_constant(rate) == pytest.approx(constant, abs=0.002)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10_000))
def test_no_other_path_is_shorter(rows: int, columns: int, seed: int) -> None:
    distances = np.random.default_rng(seed).random((rows, columns))

    def least(row: int, column: int) -> float:
        here = distances[row, column]
        before = [(row - 1, column - 1), (row - 1, column), (row, column - 1)]
        inside = [least(*cell) for cell in before if min(cell) >= 0]
        return here + (min(inside) if inside else 0.0)

    down, across = align(distances)
    assert distances[down, across].sum() == pytest.approx(least(rows - 1, columns - 1))
    assert (down[0], across[0], down[-1], across[-1]) == (0, 0, rows - 1, columns - 1)
    assert set(zip(np.diff(down), np.diff(across), strict=True)) <= {(0, 1), (1, 0), (1, 1)}


def test_a_sequence_is_at_no_distance_from_itself_said_slowly() -> None:
    first = np.random.default_rng(0).standard_normal((50, 24))
    assert distortion(first, first.repeat(2, axis=0))[0] == pytest.approx(0.0)
    second = np.random.default_rng(1).standard_normal((40, 24))
    assert distortion(first, second)[0] == pytest.approx(distortion(second, first)[0])


def test_loudness_does_not_count(small_corpus: Corpus) -> None:
    wave = small_corpus.speakers[0].utterances[0].wave.numpy()
    loud, soft = (analyse(gain * wave, RATE).cepstra for gain in (1.0, 0.2))
    assert distortion(loud, soft)[0] < 0.05
    loud, soft = (cepstra(envelope(gain * wave, RATE)[0], RATE) for gain in (1.0, 0.2))
    assert distortion(loud, soft)[0] > 3.0


def test_the_error_of_a_contour_is_what_was_added_and_unvoiced_frames_do_not_count() -> None:
    random = np.random.default_rng(0)
    f0 = np.exp(random.normal(5.0, 0.2, 100))
    errors = random.normal(0, 0.1, 100)
    first, second = f0 * np.exp(errors), f0.copy()
    first[:10], second[5:20] = 0.0, 0.0
    error, common = log_f0_error(first, second)
    assert (error, common) == (pytest.approx(np.sqrt(np.square(errors[20:]).mean())), 80)
    assert log_f0_error(first, np.zeros(100)) == (0.0, 0)


def test_a_raised_and_slowed_recording_has_the_error_of_its_raise(small_corpus: Corpus) -> None:
    """WORLD says the sentence again, a fourth higher and at two thirds of the speed: the path undoes the speed alone."""
    utterance = small_corpus.speakers[0].utterances[0]
    samples = utterance.wave.numpy().astype(np.float64)
    f0, power, noise = pyworld.wav2world(samples, RATE, frame_period=5.0)
    again = pyworld.synthesize(f0, power, noise, RATE, 5.0)
    raised = pyworld.synthesize(2 ** (5 / 12) * f0, power, noise, RATE, 7.5)
    first, second = analyse(raised, RATE), analyse(again, RATE)
    _, path = distortion(first.cepstra, second.cepstra)
    error, common = log_f0_error(first.f0[path[0]], second.f0[path[1]])
    assert error == pytest.approx(5 / 12 * np.log(2), abs=0.05)
    assert common > 100


def test_the_targets_own_recording_is_nearer_than_the_source(small_corpus: Corpus, tmp_path: Path) -> None:
    conversions = parallel_conversions(tmp_path, small_corpus.speakers[0].utterances[0], small_corpus.speakers[3])
    found = evaluate(MelCepstralDistortion(), FakeRun(tmp_path / "s", conversions))
    scores = {score.system: score for score in found if score.column == "mcd"}
    melody = {score.system: score.value for score in found if score.column == "log_f0_rmse"}
    assert melody["target"] == pytest.approx(0.0, abs=0.02)
    assert 0.1 < melody["source"] < 1.5
    assert scores.keys() == {"source", "target"}
    assert scores["target"].value < 0.5 < 3.0 < scores["source"].value < 20.0
    assert scores["source"].detail["reference"] == conversions[0].reference.id  # type: ignore[union-attr]
