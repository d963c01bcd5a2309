"""Any bytes as a recording: it is read within seconds, or a sentence says which file and what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.damage import damaged_bytes
from tests.support.outcome import refusal
from vcbench.speech import audio

RATE = 16_000
SECONDS = 5.0  # that reading half a second of audio may take at most
FORMS = {
    "wav": ("WAV", "PCM_16"), "24.wav": ("WAV", "PCM_24"), "float.wav": ("WAV", "FLOAT"), "ima.wav": ("WAV", "IMA_ADPCM"),
    "gsm.wav": ("WAV", "GSM610"), "long.wav": ("RF64", "PCM_16"), "timit.wav": ("NIST", "PCM_16"), "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS"), "mp3": ("MP3", None), "aiff": ("AIFF", "PCM_16"), "au": ("AU", "PCM_16"),
}  # fmt: skip

ODD_RATE = b"RIFF" + (36 + 8000).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0" + (32_003).to_bytes(4, "little")
ODD_RATE += (64_006).to_bytes(4, "little") + b"\2\0\x10\0data" + (8000).to_bytes(4, "little") + b"\0\x10\0\xf0" * 2000


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A valid file by form."""
    folder = tmp_path_factory.mktemp("good")
    phase = 2 * np.pi * 180 * np.arange(RATE // 2) / RATE
    wave = 0.3 * np.sin(phase) * np.sin(phase / 40)
    for form, (container, coding) in FORMS.items():
        soundfile.write(folder / form, wave, RATE, format=container, subtype=coding)
    return {form: (folder / form).read_bytes() for form in FORMS}


@pytest.fixture(scope="module")
def try_reading(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bytes], None]:
    folder = tmp_path_factory.mktemp("damaged")

    def take(path: Path) -> None:
        wave = audio.read(path, RATE)
        assert wave.ndim == 1
        assert wave.dtype == np.float32
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() >= audio.SILENCE / 2

    def attempt(form: str, content: bytes) -> None:
        path = folder / f"damaged.{form.rpartition('.')[2]}"
        path.write_bytes(content)
        start = time.monotonic()
        error = refusal(take, path)
        assert time.monotonic() - start < SECONDS
        assert error is None or path.name in str(error)

    return attempt


forms = st.sampled_from(sorted(FORMS))


@pytest.mark.parametrize("form", FORMS)
def test_the_valid_file_is_read(good: dict[str, bytes], tmp_path: Path, form: str) -> None:
    path = tmp_path / f"good.{form}"
    path.write_bytes(good[form])
    assert refusal(audio.read, path, RATE) is None


@settings(max_examples=150, deadline=None)
@given(form=forms, data=st.data())
def test_bytes_are_damaged(
    good: dict[str, bytes], try_reading: Callable[[str, bytes], None], form: str, data: st.DataObject
) -> None:
    try_reading(form, data.draw(damaged_bytes(good[form])))


@settings(max_examples=300, deadline=None)
@given(form=forms, data=st.data())
def test_a_header_is_damaged(
    good: dict[str, bytes], try_reading: Callable[[str, bytes], None], form: str, data: st.DataObject
) -> None:
    """Fields of the header: sizes, rates, channels, lengths."""
    content = bytearray(good[form])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, min(140, len(content) - 4)))
        field = data.draw(
            st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from([b"\xff" * 4, b"\x7f" * 4, b"\0" * 4]))
        )
        content[place : place + len(field)] = field
    try_reading(form, bytes(content))


@settings(max_examples=100, deadline=None)
@given(form=forms, content=st.binary(max_size=300))
@example(form="wav", content=b"")
@example(form="wav", content=ODD_RATE)
@example(form="wav", content=b"RIFF\xff\xff\xff\xffWAVEfmt ")
@example(form="flac", content=b"fLaC" + b"\0" * 300)
@example(form="mp3", content=b"\xff\xfb" * 200)
@example(form="mp3", content=b"ID3\x04\0\0\x7f\x7f\x7f\x7f")
@example(form="ogg", content=b"OggS" * 60)
def test_any_bytes(try_reading: Callable[[str, bytes], None], form: str, content: bytes) -> None:
    try_reading(form, content)
