"""Clips are equally loud, equally long and unmarked; anchors keep to the mask of BS.1534-3."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from tests.support.listening_helpers import (
    RATE,
    ROWS,
    SMALL,
    make_run,
    read_package,
)
from tests.support.made_speech import speechlike
from tests.support.recordings import FakeRun
from vcbench.listening.design.anchors import anchor, low_pass
from vcbench.listening.design.build import build
from vcbench.listening.design.clips import faded, level, loudness, true_peak
from vcbench.listening.kinds import ListeningError


def test_clips_are_pcm_with_no_other_chunk(package: Path) -> None:
    for path in package.glob("audio/*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        assert path.stat().st_size == 44 + 2 * info.frames  # RIFF header, format, samples
        assert path.read_bytes()[36:40] == b"data"


def test_clips_are_equally_loud_and_below_full_scale(package: Path) -> None:
    waves = {path: soundfile.read(path, dtype="float32")[0] for path in package.glob("audio/*.wav")}
    assert len(waves) > 10
    for wave in waves.values():
        assert loudness(wave, RATE) == pytest.approx(-23.0, abs=0.1)
        assert true_peak(wave) <= -0.9


def test_clips_of_a_page_have_one_length_and_soft_ends(package: Path) -> None:
    manifest, _, _ = read_package(package)
    for page in manifest["pages"]:
        for name in filter(None, [*page["stimuli"], page["reference"]]):
            wave, _ = soundfile.read(package / "audio" / f"{name}.wav")
            assert len(wave) == page["samples"]
            assert max(abs(wave[0]), abs(wave[-1])) < 1e-3


def test_a_clip_is_the_recording_that_the_key_names(package: Path, run: FakeRun) -> None:
    _, key, _ = read_package(package)
    paths = {(conversion.system, conversion.trial): conversion.path for conversion in run.conversions}
    systems = {name: clip for name, clip in key["clips"].items() if clip["role"] in ROWS}
    systems = dict(list(systems.items())[:4])
    for name, clip in systems.items():
        wave, _ = soundfile.read(package / "audio" / f"{name}.wav")
        scores = {}
        for row in ROWS:
            original, _ = soundfile.read(paths[row, clip["trial"]])
            matched = signal.correlate(original, wave, method="fft").max()
            scores[row] = matched / (np.linalg.norm(original) * np.linalg.norm(wave))
        assert max(scores, key=scores.__getitem__) == clip["role"]
        assert scores[clip["role"]] > 0.99


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("pass_band", [3500.0, 7000.0])
def test_anchors_keep_to_the_mask(rate: int, pass_band: float) -> None:
    """The mask of the 3.5 kHz anchor (BS.1534-3), and the same distances above 7 kHz."""
    frequencies, response = signal.freqz(low_pass(pass_band, rate), worN=2**16, fs=rate)
    decibels = 20 * np.log10(np.maximum(np.abs(response), 1e-9))
    assert np.abs(decibels[frequencies <= pass_band]).max() <= 0.1
    assert decibels[frequencies >= pass_band + 500].max() <= -25
    assert decibels[frequencies >= pass_band + 1000].max(initial=-99) <= -50


def test_anchor_of_a_real_signal_is_in_time_and_band_limited() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    made = anchor(noise, 3500.0, RATE)
    assert len(made) == len(noise)
    frequencies, power = signal.welch(made, RATE, nperseg=1024)
    assert 10 * np.log10(power[frequencies > 4500].mean() / power[frequencies < 3400].mean()) < -50
    assert np.argmax(signal.correlate(made, noise, method="fft")) == len(noise) - 1


def test_an_anchor_above_the_band_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a sampling rate above 15000 Hz, not 15000"):
        low_pass(7000.0, 15000)


def test_a_peaky_clip_lowers_all_alike() -> None:
    """With a crest factor above 22 dB, -23 LUFS would clip."""
    wave = speechlike(2.0, 120.0, RATE, 0.35)
    peaky = wave.copy()
    peaky[RATE] = 0.9
    levelled, common = level({"calm": wave, "peaky": peaky}, RATE)
    assert -30 < common < -23
    assert true_peak(levelled["peaky"]) == pytest.approx(-1.0, abs=0.01)
    for made in levelled.values():
        assert loudness(made, RATE) == pytest.approx(common, abs=0.05)
    with pytest.raises(ListeningError, match="peaky has peaks"):
        level({"calm": wave, "peaky": np.where(np.arange(len(wave)) == RATE, 0.9, wave / 20).astype(np.float32)}, RATE)


def test_a_clip_too_short_to_measure_is_refused(tmp_path: Path) -> None:
    short = make_run(tmp_path / "run", seconds=0.25, trials=3)
    with pytest.raises(ListeningError, match="s of speech; measuring its loudness needs"):
        build(short, "mos", tmp_path / "out", SMALL)


def test_fades_last_five_milliseconds_and_touch_nothing_else() -> None:
    wave = np.ones(RATE, dtype=np.float32)
    made = faded(wave, RATE)
    length = math.floor(0.005 * RATE + 0.5)
    assert (np.diff(made[:length]) > 0).all()
    assert (made[length:-length] == 1).all()
    np.testing.assert_allclose(made, made[::-1])
