import re
from collections import Counter

import numpy as np
import pytest
import pyworld
import soundfile

from vcbench.base.errors import UserError
from vcbench.speech.corpora.mini import HERE, audio_path, load, read_sentences, read_voices
from vcbench.speech.corpora.mini.make import RATE, record, require_flite, stretch, trim
from vcbench.speech.utterance import Corpus, CorpusError

SIZE_LIMIT = 9 * 2**20  # bytes, of all the audio


def flite_missing() -> str:
    try:
        require_flite({voice.base for voice in read_voices()})
    except UserError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load()


def test_sixteen_speakers_say_the_same_forty_eight_sentences(corpus):
    texts = [sentence.text for sentence in read_sentences()]
    assert len(corpus.speakers) == 16
    assert len(set(texts)) == 48
    for speaker in corpus.speakers:
        assert [utterance.text for utterance in speaker.utterances] == texts
        assert {utterance.speaker for utterance in speaker.utterances} == {speaker.id}
    assert corpus.name == "mini"
    assert corpus.synthetic


def test_ids_are_unique_and_of_allowed_characters(corpus):
    ids = [utterance.id for utterance in corpus.utterances]
    assert len(set(ids)) == 16 * 48
    assert all(re.fullmatch(r"[\w\-./]+", name, re.ASCII) for name in ids)
    assert "slt-a_s07" in ids


def test_texts_are_plain_words_with_punctuation_and_a_source():
    for sentence in read_sentences():
        assert re.fullmatch(r"[A-Z][A-Za-z',\- ]*[.!?]", sentence.text), sentence
        assert 7 <= len(sentence.text.split()) <= 15, sentence
        assert "1865" in sentence.source


def test_one_voice_of_flite_is_unseen_with_all_its_speakers():
    voices = read_voices()
    assert Counter(voice.seen for voice in voices) == {True: 12, False: 4}
    assert len({voice.base for voice in voices if not voice.seen}) == 1
    assert not {voice.base for voice in voices if not voice.seen} & {voice.base for voice in voices if voice.seen}
    assert set(Counter(voice.base for voice in voices).values()) == {4}


def test_pitch_agrees_with_sex(corpus):
    for speaker in corpus.speakers:
        wave, rate = soundfile.read(speaker.utterances[2].path)
        f0, _ = pyworld.dio(wave, rate)
        median = np.median(f0[f0 > 0])
        assert (80 < median < 140) if speaker.sex == "M" else (160 < median < 280), (speaker.id, median)


@pytest.mark.parametrize("seen", [True, False])
def test_both_sexes_are_balanced_among_seen_and_unseen_speakers(corpus, seen):
    sexes = Counter(speaker.sex for speaker in corpus.speakers if speaker.seen is seen)
    assert set(sexes) == {"F", "M"}
    assert sexes["F"] == sexes["M"]


def test_ten_sentences_are_held_out_for_every_speaker_and_as_long_as_the_others(corpus):
    held_out = {sentence.text for sentence in read_sentences() if sentence.held_out}
    assert len(held_out) == 10
    for speaker in corpus.speakers:
        assert {utterance.text for utterance in speaker.utterances if utterance.held_out} == held_out
        seconds = {flag: [] for flag in (True, False)}
        for utterance in speaker.utterances:
            seconds[utterance.held_out].append(soundfile.info(utterance.path).duration)
        assert abs(np.mean(seconds[True]) - np.mean(seconds[False])) < 0.25


def test_every_recording_is_whole_unclipped_and_short_of_silence(corpus):
    for utterance in corpus.utterances:
        wave, rate = soundfile.read(utterance.path, dtype="float32")
        assert (rate, wave.ndim) == (16000, 1), utterance.id
        assert 1 <= len(wave) / rate <= 5, utterance.id
        assert 0.1 < np.abs(wave).max() < 0.99, utterance.id
        assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.07, rel=0.1), utterance.id
        frames = wave[: len(wave) // 160 * 160].reshape(-1, 160)  # 10 ms
        level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
        loud = np.flatnonzero(level > level.max() - 45)  # decibels
        assert max(loud[0] * 160, len(wave) - (loud[-1] + 1) * 160) / rate <= 0.1, utterance.id


def test_speakers_of_one_voice_of_flite_are_aligned_in_time(corpus):
    lengths = {u.id: soundfile.info(u.path).frames for u in corpus.utterances}
    for voice in read_voices():
        for sentence in read_sentences():
            assert lengths[f"{voice.id}_{sentence.id}"] == lengths[f"{voice.base}-a_{sentence.id}"]


def test_the_folder_holds_the_recordings_alone_and_is_small(corpus):
    files = {path for path in (HERE / "audio").rglob("*") if path.is_file()}
    assert files == {utterance.path for utterance in corpus.utterances}
    assert sum(path.stat().st_size for path in files) <= SIZE_LIMIT


def test_licence_names_text_and_voices(corpus):
    for part in ("public domain", "Carnegie Mellon", "ARCTIC", "diphone"):
        assert part in corpus.licence
    assert "\n" not in corpus.licence


def test_a_missing_recording_is_an_error_that_says_how_to_make_it(tmp_path):
    with pytest.raises(CorpusError, match=r"awb-a/s01\.ogg.*mini\.make --out"):
        load(tmp_path)


def test_make_without_flite_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="apt-get install flite"):
        require_flite({"slt"})


def test_trim_keeps_the_speech_and_little_else():
    speech = np.sin(np.arange(RATE) * 0.3)
    trimmed = trim(np.concatenate([np.zeros(8000), speech, np.zeros(5000)]))
    assert RATE + 1000 <= len(trimmed) <= RATE + 2000
    assert np.isclose(np.sum(trimmed**2), np.sum(speech**2))


def test_stretch_moves_a_peak_by_the_ratio():
    bins = np.arange(513)
    spectra = np.exp(-(((bins - 100) / 5) ** 2))[None]
    assert np.array_equal(stretch(spectra, 1.0), spectra)
    assert stretch(spectra, 1.25).argmax() == 125
    assert stretch(spectra, 0.8).argmax() == 80


@pytest.mark.skipif(bool(flite_missing()), reason=flite_missing() or "flite is here")
def test_make_reproduces_a_sentence(tmp_path):
    sentence = next(sentence for sentence in read_sentences() if sentence.id == "s07")
    voices = [voice for voice in read_voices() if voice.base == "rms"]
    record(sentence, voices, tmp_path)
    for voice in voices:
        made, _ = soundfile.read(audio_path(tmp_path, voice, sentence))
        kept, _ = soundfile.read(audio_path(HERE / "audio", voice, sentence))
        # Other builds of libsndfile and the mathematical library round differently.
        assert len(made) == len(kept)
        assert np.corrcoef(made, kept)[0, 1] > 0.99
