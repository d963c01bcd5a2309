import re
from collections import Counter

import numpy as np
import pytest
import pyworld
import soundfile

from vcbench.speech.corpora.mini import HERE, VERSION, load, read_recipe, read_sayings, read_sentences, read_voices
from vcbench.speech.utterance import Corpus, CorpusError

SIZE_LIMIT = 20e6  # bytes, of all the audio
RATE = 24_000  # Hz


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load()


@pytest.fixture(scope="module")
def some(corpus):
    """A few recordings of every speaker: decoding all takes half a minute."""
    return [
        utterance for speaker in corpus.speakers for utterance in speaker.utterances[:: len(speaker.utterances) // 3]
    ]


def test_name_version_and_licence(corpus):
    assert (corpus.name, corpus.version, corpus.title) == ("mini", "2", "mini (version 2)")
    assert corpus.synthetic
    for part in ("Kokoro-82M", "Apache", "kokoro-js", "MIT"):
        assert part in corpus.licence
    assert "\n" not in corpus.licence
    assert f"version {VERSION}" in (HERE / "CHECKS.md").read_text()


def test_every_speaker_says_the_parallel_sentences_and_as_many_others(corpus):
    parallel = {sentence.text for sentence in read_sentences() if sentence.parallel}
    assert len(parallel) == 20
    assert len(corpus.speakers) == 34
    counts = set()
    for speaker in corpus.speakers:
        texts = [utterance.text for utterance in speaker.utterances]
        assert parallel < set(texts)
        assert len(set(texts)) == len(texts)
        assert {utterance.speaker for utterance in speaker.utterances} == {speaker.id}
        counts.add(len(texts))
    assert len(counts) == 1


def test_the_other_sentences_are_spread_so_that_training_is_not_parallel(corpus):
    parallel = {sentence.text for sentence in read_sentences() if sentence.parallel}
    said = Counter(u.text for u in corpus.utterances if u.text not in parallel)
    assert max(said.values()) <= len(corpus.speakers) / 5


def test_ids_are_unique_and_of_allowed_characters(corpus):
    ids = [utterance.id for utterance in corpus.utterances]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w\-./]+", name, re.ASCII) for name in ids)
    assert "af-heart_p07" in ids


def test_texts_are_plain_words_with_punctuation():
    texts = [sentence.text for sentence in read_sentences()]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert re.fullmatch(r"[A-Z][A-Za-z',\- ]*[.!?]", text), text
        assert 6 <= len(text.split()) <= 11, text


def test_no_voice_of_an_unseen_speaker_is_part_of_a_seen_one():
    voices = read_voices()
    seen, unseen = ({base for voice in voices if voice.seen is flag for base in voice.recipe} for flag in (True, False))
    assert not seen & unseen
    assert Counter(voice.seen for voice in voices) == {True: 26, False: 8}
    assert all(sum(voice.recipe.values()) == pytest.approx(1) for voice in voices)


def test_a_recipe_is_a_voice_or_a_weighted_mean():
    assert read_recipe("af_heart") == {"af_heart": 1.0}
    assert read_recipe("0.6 af_heart + 0.4 af_kore") == {"af_heart": 0.6, "af_kore": 0.4}


@pytest.mark.parametrize("seen", [True, False])
def test_both_sexes_are_balanced_among_seen_and_unseen_speakers(corpus, seen):
    sexes = Counter(speaker.sex for speaker in corpus.speakers if speaker.seen is seen)
    assert set(sexes) == {"F", "M"}
    assert sexes["F"] == sexes["M"]


def test_women_speak_higher_than_men(corpus):
    medians = {"F": [], "M": []}
    for speaker in corpus.speakers:
        wave, rate = soundfile.read(speaker.utterances[2].path)
        f0, _ = pyworld.dio(wave, rate)
        medians[speaker.sex].append(np.median(f0[f0 > 0]))
    assert all(60 < median < 300 for own in medians.values() for median in own)
    assert np.median(medians["F"]) > 1.3 * np.median(medians["M"])


def test_ten_parallel_sentences_are_held_out_for_every_speaker(corpus):
    held_out = {sentence.text for sentence in read_sentences() if sentence.held_out}
    assert len(held_out) == 10
    assert held_out < {sentence.text for sentence in read_sentences() if sentence.parallel}
    for speaker in corpus.speakers:
        assert {utterance.text for utterance in speaker.utterances if utterance.held_out} == held_out


def test_speeds_and_levels_vary_within_bounds():
    speeds, levels = (np.array([getattr(saying, name) for saying in read_sayings()]) for name in ("speed", "level"))
    assert 0.9 <= speeds.min() < 0.92
    assert 1.08 < speeds.max() <= 1.1
    assert -26 <= levels.min() < -25.5
    assert -20.5 < levels.max() <= -20


def test_every_recording_has_the_rate_and_a_sensible_length(corpus):
    for utterance in corpus.utterances:
        header = soundfile.info(utterance.path)
        assert (header.samplerate, header.channels, header.subtype) == (RATE, 1, "OPUS"), utterance.id
        assert 1 <= header.duration <= 6, utterance.id


def test_recordings_are_whole_unclipped_and_short_of_silence(some):
    level_of = {saying.id: saying.level for saying in read_sayings()}
    for utterance in some:
        wave, _ = soundfile.read(utterance.path, dtype="float32")
        assert 0.05 < np.abs(wave).max() < 0.99, utterance.id
        level = 10 * np.log10(np.mean(wave**2))
        assert level_of[utterance.id] - 4 < level < level_of[utterance.id] + 0.5, utterance.id  # peaks limit the level
        frames = wave[: len(wave) // 240 * 240].reshape(-1, 240)  # 10 ms
        levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
        loud = np.flatnonzero(levels > levels.max() - 45)  # decibels
        assert max(loud[0] * 240, len(wave) - (loud[-1] + 1) * 240) / RATE <= 0.12, utterance.id


def test_the_folder_holds_the_recordings_alone_and_is_small(corpus):
    files = {path for path in (HERE / "audio").rglob("*") if path.is_file()}
    assert files == {utterance.path for utterance in corpus.utterances}
    assert sum(path.stat().st_size for path in files) <= SIZE_LIMIT


def test_a_missing_recording_is_an_error_that_says_how_to_make_it(tmp_path):
    with pytest.raises(CorpusError, match=r"af-aoede/p01\.ogg.*mini\.make"):
        load(tmp_path)
