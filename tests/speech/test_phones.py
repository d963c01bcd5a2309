"""Words, pronunciations, and phones of real (synthetic and recorded) speech."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcbench.speech import audio
from vcbench.speech.features import phones
from vcbench.speech.features.phones import ALIGNED, RATE, align, recognise
from vcbench.speech.features.pronunciation import UnreadableText, pronounce, words
from vcbench.speech.features.settings import INVENTORY, MelSettings
from vcbench.speech.utterance import Corpus, Utterance

MEL = MelSettings()


def frames_of(wave: np.ndarray) -> int:
    return int(len(wave) / RATE * MEL.sampling_rate) // MEL.hop


def names(ids: np.ndarray) -> list[str]:
    """The phones in order, without silence and repetition."""
    found = [INVENTORY[ids[0]]] + [INVENTORY[b] for a, b in pairwise(ids) if a != b]
    return [name for name in found if name != "SIL"]


@pytest.fixture(scope="module")
def utterances(small_corpus: Corpus) -> tuple[Utterance, ...]:
    """One sentence each of six voices."""
    return tuple(speaker.utterances[index] for index, speaker in enumerate(small_corpus.speakers))


def speech(utterance: Utterance) -> np.ndarray:
    return audio.resample(utterance.wave.numpy(), utterance.sampling_rate, RATE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It’s “quoted”, isn't it?", "it's quoted isn't it"),  # noqa: RUF001
        (
            "In 1984 he paid $1,250 on the 3rd.",
            "in nineteen eighty four he paid one thousand two hundred fifty dollars on the third",
        ),
        ("3.14 & 50%", "three point one four and fifty percent"),
        ("1900, 1905, 2007, 2015", "nineteen hundred nineteen oh five two thousand seven twenty fifteen"),
        ("Café naïve Ærø", "cafe naive aero"),
        ("0123456789012", "zero one two three four five six seven eight nine zero one two"),
        ("well-known", "well known"),
    ],
)
def test_words_are_as_they_are_spoken(text: str, expected: str) -> None:
    assert words(text) == expected.split()


@given(st.text(max_size=40))
def test_words_are_letters_whatever_the_text(text: str) -> None:
    try:
        found = words(text)
    except UnreadableText:
        return  # as the next test has it
    assert found
    assert all(re.fullmatch(r"[a-z]+('[a-z]+|')*", word) for word in found)


@pytest.mark.parametrize("text", ["", "...", "Съешь ещё этих мягких булок", "hello 世界"])
def test_another_script_or_no_words_is_said(text: str) -> None:
    with pytest.raises(UnreadableText, match=r"the text has (no words|letters that English does not have)"):
        words(text)


def test_pronunciations_are_those_of_the_published_model() -> None:
    # The first is the example in g2p_en's documentation; the others are the results of its own code.
    assert " ".join(pronounce("activationist")) == "AE K T IH V EY SH AH N IH S T"
    assert " ".join(pronounce("zuckerberg")) == "Z AH K ER B ER G"
    assert " ".join(pronounce("o'reilly's")) == "OW R IY L IY Z"
    assert " ".join(pronounce("quixotic")) == "K W IH K S AA T IH K"


@given(st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=30))
def test_every_pronunciation_is_in_the_inventory(word: str) -> None:
    assert set(pronounce(word)) <= set(INVENTORY[2:])


def test_inventory_holds_the_models_phones_and_keeps_index_zero() -> None:
    assert INVENTORY[0] == ""
    assert len(INVENTORY) == len(set(INVENTORY)) == 41
    dictionary = phones._aligner()
    assert set(dictionary.lookup_word("measure").split()) <= set(INVENTORY)


def test_alignment_finds_the_words_phones(utterances: tuple[Utterance, ...]) -> None:
    for utterance in utterances:
        wave = speech(utterance)
        found = align(wave, utterance.text, MEL, frames_of(wave))
        assert found.how == ALIGNED
        assert found.ids.shape == (frames_of(wave),)
        assert found.ids.dtype == np.int64
        assert found.ids.min() >= 1
        dictionary = phones._aligner()
        spoken = [dictionary.lookup_word(word).split() for word in words(utterance.text)]
        # Words have several pronunciations, so most phones, but not all, are those of the first.
        assert abs(len(names(found.ids)) - sum(map(len, spoken))) <= 0.2 * sum(map(len, spoken))
        recognised = recognise(wave, MEL, frames_of(wave), "of a test")
        assert recognised.how == "recognised, because of a test"
        assert (recognised.ids == found.ids).mean() > 0.3


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_times_are_those_of_a_synthesiser(tmp_path: Path) -> None:
    text = "The quick brown fox jumps over the lazy dog."
    command = ["flite", "-voice", "kal16", "-psdur", "-t", text, "-o", str(tmp_path / "a.wav")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    segments = [(name.upper(), float(end)) for name, end in re.findall(r"(\w+):([\d.]+)", printed)]
    wave = audio.read(tmp_path / "a.wav", RATE)
    ends = np.array([end for _, end in segments])
    same = {"PAU": "SIL", "AX": "AH", "AXR": "ER"}

    def agreement(ids: np.ndarray, delay: float) -> float:
        centres = (np.arange(len(ids)) + 0.5) * MEL.hop / MEL.sampling_rate + delay
        truth = [segments[min(int(np.searchsorted(ends, centre, "right")), len(ends) - 1)][0] for centre in centres]
        return float(
            np.mean([INVENTORY[index] == same.get(name, name) for index, name in zip(ids, truth, strict=True)])
        )

    ids = align(wave, text, MEL, frames_of(wave)).ids
    assert agreement(ids, 0) > 0.75
    assert agreement(ids, 0) > max(agreement(ids, -0.015), agreement(ids, 0.015))
    assert agreement(recognise(wave, MEL, frames_of(wave), "").ids, 0) > 0.5


def test_a_word_that_no_dictionary_holds_is_aligned(utterances: tuple[Utterance, ...]) -> None:
    wave = speech(utterances[0])
    text = utterances[0].text
    first = words(text)[0]
    misspelt = text.lower().replace(first, first + "qq", 1)  # silent in the pronunciation model
    assert phones._aligner().lookup_word(first + "qq") is None
    assert align(wave, misspelt, MEL, frames_of(wave)).how == ALIGNED


def test_what_is_read_letter_by_letter_gets_the_letters_names() -> None:
    decoder = phones._aligner()
    assert list(phones._pronunciation(decoder, "vctk")) == ["V", "IY", "S", "IY", "T", "IY", "K", "EY"]


def test_a_text_of_another_recording_falls_back_to_recognition(utterances: tuple[Utterance, ...]) -> None:
    for utterance, other in zip(utterances, [*utterances[1:], utterances[0]], strict=True):
        wave = speech(utterance)
        found = align(wave, other.text, MEL, frames_of(wave))
        assert found.how.startswith("recognised, because the text ")
        np.testing.assert_array_equal(found.ids, recognise(wave, MEL, frames_of(wave), "").ids)


def test_another_script_falls_back_to_recognition(utterances: tuple[Utterance, ...]) -> None:
    wave = speech(utterances[0])
    found = align(wave, "Съешь ещё этих булок", MEL, frames_of(wave))
    assert found.how.startswith("recognised, because the text has letters that English does not have: ")


def test_no_recording_changes_anothers_phones(utterances: tuple[Utterance, ...]) -> None:
    waves = [speech(utterance) for utterance in utterances[:3]]
    texts = [utterance.text for utterance in utterances[:3]]
    forward = [align(wave, text, MEL, 200).ids for wave, text in zip(waves, texts, strict=True)]
    align(np.random.default_rng(0).normal(0, 0.3, RATE).astype(np.float32), "noise", MEL, 86)
    backward = [align(wave, text, MEL, 200).ids for wave, text in zip(waves[::-1], texts[::-1], strict=True)][::-1]
    for first, second in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("samples", [100, 500, 2000])
def test_too_short_for_any_phone(samples: int) -> None:
    found = align(np.zeros(samples, dtype=np.float32), "a long sentence that cannot be said so fast", MEL, 3)
    assert found.ids.shape == (3,)
    assert found.how != ALIGNED


class Interrupted:
    """A decoder that Ctrl-C meets in the middle of an utterance."""

    def __init__(self, decoder: object) -> None:
        self.decoder = decoder

    def __getattr__(self, name: str) -> object:
        return getattr(self.decoder, name)

    def process_raw(self, recording: bytes, full_utt: bool) -> None:
        self.decoder.process_raw(recording[: len(recording) // 2], full_utt=False)
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["_aligner", "_recogniser"])
def test_an_interrupt_in_the_middle_of_an_utterance_changes_no_later_one(
    utterances: tuple[Utterance, ...], name: str
) -> None:
    wave, text = speech(utterances[0]), utterances[0].text
    before = align(wave, text, MEL, frames_of(wave)), recognise(wave, MEL, frames_of(wave), "")
    with pytest.raises(KeyboardInterrupt):
        phones._decode(Interrupted(getattr(phones, name)()), phones._samples(speech(utterances[1])))
    after = align(wave, text, MEL, frames_of(wave)), recognise(wave, MEL, frames_of(wave), "")
    assert before[0].how == ALIGNED
    for one, other in zip(before, after, strict=True):
        assert one.how == other.how
        np.testing.assert_array_equal(one.ids, other.ids)
