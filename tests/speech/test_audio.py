"""Audio in and out, and every kind of bad file."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.made_speech import speechlike
from vcbench.base.files import PlaceError
from vcbench.speech import audio

RATE = 16_000


def voice(seconds: float = 1.0, rate: int = RATE, peak: float = 0.5, seed: int = 0) -> np.ndarray:
    return speechlike(seconds, 120 + 10 * seed, rate, peak, silence=0)


def save(path: Path, wave: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    containers = {".opus": {"format": "OGG", "subtype": "OPUS"}, ".aif": {"format": "AIFF", "subtype": subtype}}
    container = containers.get(path.suffix, {"subtype": subtype})
    soundfile.write(str(path), wave, rate, **container)
    return path


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
def test_reads_every_format(tmp_path: Path, suffix: str) -> None:
    wave = voice()
    path = save(tmp_path / f"a{suffix}", wave)
    assert audio.inspect(path) == audio.AudioInfo(RATE, 1, 1.0, RATE)
    read = audio.read(path, RATE)
    assert read.dtype == np.float32
    assert read.shape == wave.shape
    assert np.corrcoef(read, wave)[0, 1] > 0.95


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
def test_a_segment_is_the_same_samples_as_in_the_whole(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", voice(2.0))
    whole = audio.read(path, RATE)
    np.testing.assert_array_equal(audio.read(path, RATE, span=(0.5, 1.25)), whole[8000:20000])


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
def test_refuses_a_truncated_file(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", voice(5.0))
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    with pytest.raises(audio.AudioError, match=r"truncated.*Get it again"):
        audio.read(path, RATE)


def test_accepts_a_wav_streamed_to_a_pipe(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", voice())
    content = bytearray(path.read_bytes())
    place = content.index(b"data")
    content[place + 4 : place + 8] = content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert len(audio.read(path, RATE)) == RATE


def test_refuses_three_hours_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.wav", voice())
    size = 3 * 3600 * RATE * 2
    with path.open("r+b") as file:
        head = bytearray(file.read(44))
        head[4:8], head[40:44] = struct.pack("<I", size + 36), struct.pack("<I", size)
        file.seek(0)
        file.write(head)
        file.truncate(size + 44)  # a sparse file: no disk is used
    monkeypatch.setattr(soundfile, "read", lambda *_, **__: pytest.fail("decoded a file that its header refuses"))
    with pytest.raises(audio.AudioError, match=r"10800 s long; at most 600 s.*Cut"):
        audio.read(path, RATE)


def bad_files() -> dict[str, tuple[np.ndarray, int, str]]:
    silent, broken = np.zeros(RATE), voice()
    broken[100] = np.nan
    return {
        "silent": (silent, RATE, r"silent: the peak is"),
        "hiss": (1e-4 * np.random.default_rng(0).standard_normal(RATE), RATE, r"silent"),
        "clipped": (np.clip(4 * voice(peak=1.0), -1, 1), RATE, r"clipped: .*% of the samples.*lower level"),
        "telephone": (voice(rate=8000), 8000, r"sampled at 8000 Hz; allowed are 16000"),
        "no frames": (np.zeros(0), RATE, r"only 0.000 s"),
        "not numbers": (broken, RATE, r"1 sample is not finite"),
        "surround": (np.stack([voice()] * 6, axis=1), RATE, r"6 channels; allowed are 1 and 2"),
        "opposite": (np.stack([voice(), -voice()], axis=1), RATE, r"channels cancel"),
    }


@pytest.mark.parametrize("kind", bad_files())
def test_refuses_bad_audio(tmp_path: Path, kind: str) -> None:
    wave, rate, message = bad_files()[kind]
    path = save(tmp_path / "a.wav", wave, rate, "FLOAT")
    with pytest.raises(audio.AudioError, match=message) as error:
        audio.read(path, RATE)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.wav", b"", r"empty \(0 bytes\)"),
        ("a.wav", b"this is a letter, not a recording" * 50, r"not audio, or corrupt"),
        ("a.flac", bytes(range(256)) * 20, r"not audio, or corrupt"),
        ("a.txt", b"hello", r"is read from .wav, .flac, .ogg, .mp3, .opus, .aiff, .aif, .au, not '.txt'"),
    ],
)
def test_refuses_what_is_not_audio(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(audio.AudioError, match=message):
        audio.read(tmp_path / name, RATE)


def test_refuses_a_corrupt_middle(tmp_path: Path) -> None:
    path = save(tmp_path / "a.flac", voice(5.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(content)
    with pytest.raises(audio.AudioError, match=r"corrupt or truncated"):
        audio.read(path, RATE)


def test_missing_file_and_segment(tmp_path: Path) -> None:
    with pytest.raises(audio.AudioError, match="no such file"):
        audio.read(tmp_path / "a.wav", RATE)
    path = save(tmp_path / "a.wav", voice())
    with pytest.raises(audio.AudioError, match=r"no segment 0.5 to 1.5 s: it is 1.000 s long"):
        audio.read(path, RATE, span=(0.5, 1.5))


def test_loud_speech_is_not_called_clipped(tmp_path: Path) -> None:
    path = save(tmp_path / "a.ogg", voice(5.0, peak=1.0))
    assert np.abs(audio.read(path, RATE)).max() > 0.9


def test_low_rate_is_accepted_where_asked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", voice(rate=8000), 8000)
    assert len(audio.read(path, RATE, minimum_rate=8000)) == RATE


@pytest.mark.parametrize("rate", [22050, 24000, 32000, 44100, 48000, 96000])
def test_common_rates_become_one(tmp_path: Path, rate: int) -> None:
    path = save(tmp_path / "a.wav", voice(rate=rate), rate, "PCM_24")
    assert len(audio.read(path, 22050)) == pytest.approx(22050, abs=1)


def test_two_channels_are_averaged(tmp_path: Path) -> None:
    left, right = voice(seed=0), voice(seed=1)
    path = save(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    assert audio.inspect(path).channels == 2
    np.testing.assert_allclose(audio.read(path, RATE), (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize(("from_rate", "to_rate"), [(16000, 22050), (48000, 22050), (22050, 16000), (96000, 24000)])
def test_resampling_keeps_a_tone(from_rate: int, to_rate: int) -> None:
    tone, expected = (
        np.sin(2 * np.pi * 3000 * np.arange(rate) / rate).astype(np.float32) for rate in (from_rate, to_rate)
    )
    np.testing.assert_allclose(audio.resample(tone, from_rate, to_rate)[500:-500], expected[500:-500], atol=1e-3)


def test_resampling_removes_what_does_not_fit() -> None:
    tone = np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000).astype(np.float32)
    assert np.abs(audio.resample(tone, 48_000, 16_000)[500:-500]).max() < 1e-3


def test_resampling_refuses_an_odd_ratio() -> None:
    with pytest.raises(audio.AudioError, match=r"44101:22050 is too odd.*common rate"):
        audio.resample(voice(), 44_101, 22_050)


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_write_and_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "deep" / f"a{suffix}"
    audio.write(path, voice(), RATE)
    assert soundfile.info(str(path)).subtype == "PCM_16"
    np.testing.assert_allclose(audio.read(path, RATE), voice(), atol=1 / 32768)


def test_write_scales_down_instead_of_clipping(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.flac", 3 * voice(), RATE)
    read = audio.read(tmp_path / "a.flac", RATE)
    assert np.abs(read).max() == pytest.approx(0.998, abs=1e-3)
    assert np.corrcoef(read, voice())[0, 1] > 0.9999


@pytest.mark.parametrize(
    ("name", "wave", "message"),
    [
        ("a.mp3", voice(), r"written to .flac or .wav, not '.mp3'"),
        ("a.flac", np.zeros(0, np.float32), r"received shape \(0,\)"),
        ("a.flac", np.zeros((2, 100), np.float32), r"received shape \(2, 100\)"),
        ("a.flac", np.full(100, np.inf, np.float32), r"not finite"),
    ],
)
def test_write_refuses(tmp_path: Path, name: str, wave: np.ndarray, message: str) -> None:
    with pytest.raises(audio.AudioError, match=message):
        audio.write(tmp_path / name, wave, RATE)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.flac"
    audio.write(path, voice(), RATE)
    before = path.read_bytes()

    original = Path.write_bytes

    def half_written(self: Path, content: bytes) -> int:
        original(self, content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half_written)
    with pytest.raises(PlaceError, match=r"a\.flac cannot be used: No space left on device\. Free some space"):
        audio.write(path, voice(seed=1), RATE)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2 * RATE), st.integers(0, 2 * RATE), st.sampled_from([16_000, 22_050, 48_000]))
def test_trimming_finds_the_speech(before: int, after: int, rate: int) -> None:
    noise = 1e-3 * np.random.default_rng(0).standard_normal(before + rate + after).astype(np.float32)
    noise[before : before + rate] += voice(rate=rate)
    trimmed = audio.trim_silence(noise, rate)
    slack = (2 * audio.TRIM_MARGIN + 2 * audio.FRAME) * rate + 2
    assert rate * 0.95 <= len(trimmed) <= rate + slack
    offset = np.flatnonzero(noise == trimmed[0])[0]
    np.testing.assert_array_equal(noise[offset : offset + len(trimmed)], trimmed)


def test_trimming_keeps_all_of_silence() -> None:
    assert len(audio.trim_silence(np.zeros(1000, np.float32), RATE)) == 1000


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 1.0), st.floats(-40, -20), st.floats(0, 2))
def test_level_does_not_depend_on_loudness_or_pauses(peak: float, decibels: float, pause: float) -> None:
    wave = np.concatenate([voice(peak=peak), np.zeros(round(pause * RATE), np.float32)])
    expected = audio.level(voice(), RATE, decibels)
    np.testing.assert_allclose(audio.level(wave, RATE, decibels)[:RATE], expected, atol=1e-4)
    assert 20 * np.log10(np.sqrt(np.mean(expected**2))) == pytest.approx(decibels, abs=1)


def test_level_stays_below_full_scale() -> None:
    assert np.abs(audio.level(voice(), RATE, 0.0)).max() <= audio.FULL_SCALE
    with pytest.raises(audio.AudioError, match="silent"):
        audio.level(np.zeros(1000, np.float32), RATE)


def test_real_speech_passes(shared: Path) -> None:
    corpora = shared / "corpora"
    paths = [*sorted(corpora.glob("librispeech-mini/*/*/*"))[::12], *sorted(corpora.glob("vctk-mini/wav48*/*/*"))[::3]]
    assert len(paths) > 30
    assert all(audio.decode(path)[0].ndim == 1 for path in paths)
