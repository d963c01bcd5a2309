"""Speech recognition: the same words in any batch and in both engines, and clear errors for missing models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vcbench.base.errors import ModelUnavailable, UserError
from vcbench.speech import audio
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.whisper import (
    ENGINES,
    FULL_WINDOW,
    RATE,
    Transcriber,
    Transcript,
    find_model,
    model_revision,
    transcript,
)
from vcbench.speech.pretrained.whisper_weights import ConversionError, load_openai_whisper, read
from vcbench.speech.utterance import Corpus

here = pytest.mark.skipif(weights.look("faster-whisper/tiny.en") is None, reason="Whisper tiny.en is not installed")


@pytest.fixture(scope="module")
def waves(small_corpus: Corpus) -> list[np.ndarray]:
    """Four synthetic voices, each with a different sentence, at 16 kHz."""
    utterances = [speaker.utterances[row] for row, speaker in enumerate(small_corpus.speakers[:4])]
    return [audio.resample(one.wave.numpy(), one.sampling_rate, RATE) for one in utterances]


@pytest.fixture(scope="module")
def quick() -> Transcriber:
    return Transcriber(window=15.0, precision="int8")


@here
def test_neighbours_order_and_threads_change_nothing(quick: Transcriber, waves: list[np.ndarray]) -> None:
    together = quick.transcribe(waves)
    assert [quick.transcribe([wave])[0] for wave in waves] == together
    assert quick.transcribe(waves[::-1]) == together[::-1]
    torch.set_num_threads(2)
    try:
        assert Transcriber(window=15.0, precision="int8").transcribe(waves) == together
    finally:
        torch.set_num_threads(1)


@here
def test_it_hears_most_words_of_the_embedded_corpus(
    quick: Transcriber, waves: list[np.ndarray], small_corpus: Corpus
) -> None:
    heard = [found.text.lower() for found in quick.transcribe(waves)]
    said = [speaker.utterances[row].text or "" for row, speaker in enumerate(small_corpus.speakers[:4])]
    words = [word.strip(".,").lower() for text in said for word in text.split()]
    assert sum(word in " ".join(heard) for word in words) > 0.6 * len(words)


@here
def test_both_engines_hear_the_same(waves: list[np.ndarray]) -> None:
    """In float32, greedy, from one file of weights."""
    first, second = Transcriber("faster-whisper"), Transcriber("openai-whisper")
    assert model_revision("openai-whisper", "tiny.en") == model_revision("faster-whisper", "tiny.en")
    assert [one.text for one in first.transcribe(waves[:2])] == [one.text for one in second.transcribe(waves[:2])]


@here
def test_both_engines_hear_the_same_in_real_speech(shared: Path) -> None:
    files = sorted((shared / "corpora" / "vctk-mini").glob("wav48_silence_trimmed/*/*.flac"))[::12]
    waves = [audio.read(file, RATE) for file in files]
    first, second = (Transcriber(engine).transcribe(waves) for engine in ENGINES)
    assert [one.text for one in first] == [one.text for one in second]


@here
def test_more_than_a_window_is_heard_to_its_end(quick: Transcriber, waves: list[np.ndarray]) -> None:
    """Recordings longer than the short window get the full one; longer ones are split into windows."""
    gap = np.zeros(30 * RATE - len(waves[0]), dtype=np.float32)
    longer = np.concatenate([waves[0], gap[: 16 * RATE]])
    longest = np.concatenate([waves[0], gap, waves[1]])
    full = Transcriber(precision="int8")
    first, second = (found.text for found in full.transcribe(waves[:2]))
    assert [found.text for found in quick.transcribe([longer, longest])] == [first, f"{first} {second}"]


@here
def test_silence_and_a_single_sample_are_heard_without_an_error(quick: Transcriber) -> None:
    found = quick.transcribe([np.zeros(RATE, dtype=np.float32), np.full(1, 0.1, dtype=np.float32)])
    assert all(isinstance(one.text, str) for one in found)


@here
def test_a_loop_in_a_short_window_is_heard_again_in_a_full_one(
    quick: Transcriber, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows: list[float] = []

    def looping(pieces: list[np.ndarray], window: float) -> list[Transcript]:
        windows.append(window)
        text = "again and again and again and again" if window < FULL_WINDOW else "once"
        return [transcript(text, 3.0) for _ in pieces]

    monkeypatch.setattr(quick, "_transcribe", looping)
    assert [one.text for one in quick.transcribe(waves[:2])] == ["once", "once"]
    assert windows == [15.0, FULL_WINDOW]
    long = np.zeros(16 * RATE, dtype=np.float32)
    assert [one.text for one in quick.transcribe([long, waves[0]])] == ["once", "once"]


@pytest.mark.parametrize(
    ("text", "seconds", "loops"),
    [
        ("Please call Stella.", 1.5, False),
        ("no no no", 1.5, False),
        ("Ask her to bring these things with her from the store.", 3.0, False),
        ("Please call Stella. Please call Stella.", 2.0, True),
        ("the " * 60, 30.0, True),
        ("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen", 2.0, True),
        ("", 2.0, False),
    ],
)
def test_what_counts_as_a_loop(text: str, seconds: float, loops: bool) -> None:
    assert transcript(text, seconds).loops is loops


@given(st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=3, max_size=12, unique=True))
def test_any_phrase_said_twice_running_is_a_loop(letters: list[str]) -> None:
    phrase = " ".join(letter * 4 for letter in letters)
    assert not transcript(phrase, 60.0).loops
    assert transcript(f"{phrase}, {phrase.upper()}!", 60.0).loops


def test_a_model_that_is_not_here_is_named_with_the_command_that_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelUnavailable, match=r"large-v2\.pt 'https://"):
        Transcriber("openai-whisper", "large-v2")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "kaldi"}, "faster-whisper, openai-whisper"),
        ({"model": "tiny.enn"}, "Did you mean 'faster-whisper/tiny.en'"),
        ({"beam": 0}, "must be 1"),
        ({"window": 3.0}, "15 to 30"),
        ({"precision": "int4"}, "float32, float16, int8"),
        ({"engine": "openai-whisper", "window": 15.0}, r"window = 30\.0"),
        ({"engine": "openai-whisper", "precision": "int8"}, "float32"),
        ({"language": "de"}, r"tiny\.en knows English alone, and the language is german .* e\.g\. tiny or"),
        ({"model": "tiny", "language": "german"}, "For german, write 'de'"),
        ({"model": "tiny", "language": "xx"}, "Its languages: en, zh, de"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Transcriber(**arguments)


@here
def test_a_file_that_is_not_whole_or_of_another_format_is_refused(tmp_path: Path) -> None:
    content = (find_model("faster-whisper", "tiny.en") / "model.bin").read_bytes()
    cut = tmp_path / "model.bin"
    cut.write_bytes(content[:200_000])
    with pytest.raises(ConversionError, match="not a complete CTranslate2 file"):
        load_openai_whisper(cut)
    cut.write_bytes(b"\x02" + content[1:1000])
    with pytest.raises(ConversionError, match="file format 2"):
        read(cut)
