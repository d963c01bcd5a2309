"""The feature store: what it caches, recomputes and reports."""

from __future__ import annotations

import logging
import pickle
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vcbench.base.files import hash_file
from vcbench.base.jobs import LocalEngine
from vcbench.speech import audio
from vcbench.speech.features import prepare as preparation
from vcbench.speech.features import speaker as speaker_module
from vcbench.speech.features import store as store_module
from vcbench.speech.features.cache import CacheError, ContentHashes, FeatureCache
from vcbench.speech.features.mel import mel_spectrogram
from vcbench.speech.features.phones import ALIGNED
from vcbench.speech.features.prepare import prepare_features
from vcbench.speech.features.settings import MelSettings, PitchSettings, TranscriptSettings
from vcbench.speech.features.shards import Feature
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.pretrained import weights
from vcbench.speech.utterance import Corpus, Utterance

ALL = ("mel", "pitch", "phones")


@pytest.fixture
def fresh(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "cache")


@pytest.fixture
def utterances(small_corpus: Corpus, tmp_path: Path) -> list[Utterance]:
    """Four utterances; a test may change their files."""
    found = []
    for index, speaker in enumerate(small_corpus.speakers[:4]):
        original = speaker.utterances[index]
        path = tmp_path / "corpus" / f"{speaker.id}{original.path.suffix}"
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(original.path, path)
        found.append(replace(original, path=path, features=None))
    return found


def cached_files(store: FeatureStore) -> dict[Path, int]:
    folder = store._cache.folder
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def test_the_speaker_embedding_is_computed_once(
    fresh: FeatureStore, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding, wave = fresh.ge2e(utterances[0]), audio.resample(fresh.wave(utterances[0]).numpy(), 22050, 16000)
    np.testing.assert_array_equal(embedding, speaker_module.load_ge2e("cpu").embed_utterance(wave))
    assert embedding.norm() == pytest.approx(1)
    monkeypatch.setattr(store_module, "ge2e", lambda wave, rate: pytest.fail("computed again"))
    torch.testing.assert_close(FeatureStore(fresh._cache.folder).ge2e(utterances[0]), embedding, rtol=0, atol=0)


def test_features_fit_each_other(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    utterance = utterances[0].with_features(fresh)
    rate = utterance.sampling_rate
    wave = audio.trim_silence(audio.read(utterance.path, rate), rate)
    np.testing.assert_array_equal(utterance.wave.numpy(), wave)
    torch.testing.assert_close(utterance.mel, mel_spectrogram(torch.from_numpy(wave), MelSettings()))
    frames = utterance.mel.shape[1]
    assert utterance.log_f0.shape == utterance.voiced.shape == utterance.phones.shape == (frames,)
    assert utterance.mel.dtype == utterance.log_f0.dtype == torch.float32
    assert utterance.voiced.dtype == torch.bool
    assert utterance.phones.dtype == torch.int64
    assert fresh.phones_how(utterance) == ALIGNED
    # Speech has energy where it is voiced.
    assert utterance.mel[:40][:, utterance.voiced].mean() > utterance.mel[:40][:, ~utterance.voiced].mean()


def test_what_is_cached_is_what_was_computed(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    first = [(fresh.mel(u), *fresh.pitch(u), fresh.phones(u)) for u in utterances]
    other = FeatureStore(fresh._cache.folder)
    for features, utterance in zip(first, utterances, strict=True):
        again = (other.mel(utterance), *other.pitch(utterance), other.phones(utterance))
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(features, again, strict=True))
    assert len(cached_files(fresh)) == 3 * len(utterances)


def test_keys_cover_content_span_text_and_settings(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    utterance = utterances[0]
    folder = fresh._cache.folder

    def keys(u: Utterance, **settings: object) -> dict[str, str]:
        store = FeatureStore(folder, **settings)
        return {kind: store._key(kind, u) for kind in ("wave", *ALL)}

    base = keys(utterance)

    def changed(other: dict[str, str]) -> set[str]:
        return {kind for kind in base if base[kind] != other[kind]}

    assert changed(keys(replace(utterance, id="x", speaker="y", held_out=True))) == set()
    assert changed(keys(replace(utterance, text="other words"))) == {"phones"}
    assert changed(keys(replace(utterance, span=(0.0, 1.0)))) == {"wave", *ALL}
    assert changed(keys(utterance, mel_settings=MelSettings(n_mels=40))) == {"mel"}
    assert changed(keys(utterance, mel_settings=MelSettings(hop=128))) == set(ALL)
    assert changed(keys(utterance, pitch_settings=PitchSettings(low=80.0))) == {"pitch"}
    copied = utterance.path.with_name("copy.ogg")
    shutil.copyfile(utterance.path, copied)
    assert changed(keys(replace(utterance, path=copied))) == set()
    shutil.copyfile(utterances[1].path, utterance.path)
    assert changed(keys(utterance)) == {"wave", *ALL}


def test_a_raised_version_computes_anew(
    fresh: FeatureStore, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {kind: fresh._key(kind, utterances[0]) for kind in ALL}
    monkeypatch.setitem(store_module.VERSIONS, "wave", 999)
    assert all(before[kind] != fresh._key(kind, utterances[0]) for kind in ALL)


def test_prepare_in_processes_gives_what_one_process_gives(
    small_corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [replace(u, features=None) for speaker in small_corpus.speakers for u in speaker.utterances[:2]]
    monkeypatch.setattr(preparation, "UTTERANCES_PER_WORKER", 4)
    alone, several = FeatureStore(tmp_path / "alone"), FeatureStore(tmp_path / "several")
    steps: list[tuple[int, int]] = []
    assert prepare_features(alone, chosen, ("mel", "pitch"), LocalEngine(1)).rejected == []
    assert (
        prepare_features(
            several, chosen, ("mel", "pitch"), LocalEngine(2), lambda done, total: steps.append((done, total))
        ).rejected
        == []
    )
    assert steps == [(done, len(chosen)) for done in range(len(chosen) + 1)]
    assert [len(cached_files(store)) for store in (alone, several)] == [2, 4]  # a file for each feature and process
    one, other = FeatureStore(tmp_path / "alone"), FeatureStore(tmp_path / "several")
    for utterance in chosen:
        assert one.is_cached(utterance, ("mel", "pitch"))
        assert other.is_cached(utterance, ("mel", "pitch"))
        assert torch.equal(one.mel(utterance), other.mel(utterance))
        assert all(map(torch.equal, one.pitch(utterance), other.pitch(utterance)))


def test_what_is_prepared_is_not_computed_again_and_quickly_seen(small_corpus: Corpus, store: FeatureStore) -> None:
    everything = small_corpus.utterances
    prepare_features(store, everything, ("mel", "pitch"))
    before = cached_files(store)
    other = FeatureStore(store._cache.folder)
    begin = time.perf_counter()
    prepared = prepare_features(other, everything, ("mel", "pitch"), LocalEngine(2))
    seconds = time.perf_counter() - begin
    assert prepared.rejected == prepared.fallbacks == []
    assert cached_files(store) == before
    assert seconds < 2.0 * len(everything) / 768 + 0.2


def test_an_interrupted_prepare_goes_on(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_features(fresh, utterances, ALL, report=interrupt)
    kept = cached_files(fresh)
    assert len(kept) == 3  # of two utterances each
    steps: list[int] = []
    prepare_features(FeatureStore(fresh._cache.folder), utterances, ALL, report=lambda done, total: steps.append(done))
    assert steps == [2, 3, 4]
    after = cached_files(fresh)
    assert len(after) == 6
    assert {path: after[path] for path in kept} == kept


def test_broken_utterances_are_reported_with_reasons(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    empty, short, missing, good = utterances
    empty.path.write_bytes(b"")
    rate = 22050
    tone = np.sin(np.arange(300) * 0.3).astype(np.float32) * 0.3
    short_path = short.path.with_suffix(".wav")
    audio.write(short_path, tone, rate)
    missing.path.unlink()
    chosen = [empty, replace(short, path=short_path), missing, good]
    prepared = prepare_features(fresh, chosen, ALL)
    reasons = dict(prepared.rejected)
    assert list(reasons) == [empty.id, short.id, missing.id]
    assert "empty" in reasons[empty.id]
    assert "300 samples" in reasons[short.id]
    assert str(missing.path) in reasons[missing.id]
    assert prepared.fallbacks == []
    assert prepare_features(fresh, chosen, ALL) == prepared
    with pytest.raises(audio.AudioError, match="empty"):
        fresh.mel(empty)


def test_a_text_that_does_not_fit_is_a_fallback_and_stays_one(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    wrong = replace(utterances[0], text="Something else entirely was said by a different person on another day.")
    chosen = [wrong, utterances[1]]
    prepared = prepare_features(fresh, chosen, ALL)
    assert prepared.rejected == []
    ((identity, how),) = prepared.fallbacks
    assert identity == wrong.id
    assert how.startswith("recognised, because the text ")
    assert prepare_features(FeatureStore(fresh._cache.folder), chosen, ALL) == prepared


@pytest.mark.skipif(weights.look("faster-whisper/tiny.en") is None, reason="Whisper tiny.en is not installed")
def test_without_text_the_recogniser_is_heard(fresh: FeatureStore, utterances: list[Utterance]) -> None:
    silent = [replace(utterance, text=None) for utterance in utterances[:2]]
    steps: list[tuple[int, int]] = []
    prepared = prepare_features(fresh, silent, ALL, report=lambda done, total: steps.append((done, total)))
    assert steps == [(done, 4) for done in range(5)]
    assert [how for _, how in prepared.fallbacks] == [
        "aligned (the text is a transcript by faster-whisper tiny.en)"
    ] * 2
    said, heard = utterances[0].text.lower().split(), (fresh.transcript(silent[0]) or "").lower()
    assert sum(word.strip(".,;!?") in heard for word in said) >= 0.5 * len(said)
    assert (fresh.phones(silent[0]) == fresh.phones(utterances[0])).float().mean() > 0.5
    again = FeatureStore(fresh._cache.folder)
    assert prepare_features(again, silent, ALL) == prepared
    assert again._transcriber is None  # nothing was left to transcribe


def test_without_text_and_recogniser_phones_are_recognised(tmp_path: Path, utterances: list[Utterance]) -> None:
    absent = TranscriptSettings(engine="openai-whisper", model="large-v3")
    if weights.look("openai-whisper/large-v3") is not None or weights.look("faster-whisper/large-v3") is not None:
        pytest.skip("Whisper large-v3 is here")
    store = FeatureStore(tmp_path / "cache", transcript_settings=absent)
    prepared = prepare_features(store, [replace(utterances[0], text=None)], ALL)
    ((_, how),) = prepared.fallbacks
    assert how.startswith("recognised, because there is no text, and ")
    assert "large-v3" in how


def test_a_damaged_file_is_computed_anew_and_said(
    fresh: FeatureStore, utterances: list[Utterance], caplog: pytest.LogCaptureFixture
) -> None:
    expected = fresh.mel(utterances[0])
    (path,) = (fresh._cache.folder / "mel").iterdir()
    path.write_bytes(path.read_bytes()[:-100])
    with caplog.at_level(logging.WARNING):
        found = FeatureStore(fresh._cache.folder).mel(utterances[0])
    assert torch.equal(found, expected)
    assert str(path) in caplog.text
    assert torch.equal(FeatureStore(fresh._cache.folder).mel(utterances[0]), expected)


def test_a_cache_that_cannot_be_written_stops_with_advice(tmp_path: Path, utterances: list[Utterance]) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CacheError, match="VCBENCH_CACHE"):
        prepare_features(FeatureStore(tmp_path / "file"), utterances, ("mel",))


def test_unknown_needs_are_refused(fresh: FeatureStore) -> None:
    with pytest.raises(ValueError, match="mel, pitch, phones, voice; received energy"):
        prepare_features(fresh, [], ("mel", "energy"))


def test_pickling_keeps_settings_alone(utterances: list[Utterance], tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache", MelSettings(n_mels=40), PitchSettings(method="harvest"))
    utterance = utterances[0].with_features(store)
    assert utterance.mel.shape[0] == 40
    content = pickle.dumps(utterance)
    assert len(content) < 3000
    copy = pickle.loads(content)
    assert copy == utterance
    assert hash(copy) == hash(utterance)
    assert copy.features.pitch_settings == store.pitch_settings
    assert torch.equal(copy.mel, utterance.mel)


def test_waves_take_no_more_memory_than_theirs_and_push_no_feature_out(
    tmp_path: Path, utterances: list[Utterance], monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = FeatureStore(tmp_path).wave(utterances[0])
    monkeypatch.setattr("vcbench.speech.features.store.WAVES_LIMIT", wave.nbytes + 2000)
    store = FeatureStore(tmp_path)
    first = store.mel(utterances[0])
    assert store.wave(utterances[0]) is store.wave(utterances[0])
    for utterance in utterances:
        store.wave(utterance)
        assert store._waves._bytes <= wave.nbytes + 2000
    assert store.mel(utterances[0]) is first


def feature(number: int) -> Feature:
    return {"a": torch.full((number % 7,), number), "b": torch.tensor(True)}, {"how": str(number % 3)}


def test_a_killed_process_loses_at_most_what_waits_and_another_process_finds_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vcbench.speech.features.cache.GATHERED", (10, 2**20))
    reader, writer = FeatureCache(tmp_path, 0), FeatureCache(tmp_path, 0)
    assert not reader.holds("mel", "0")
    gathering = writer.gather()
    gathering.__enter__()  # never left: the process is killed
    for number in range(25):
        writer.put("mel", str(number), feature(number))
        found = writer.get("mel", str(number))
        assert found is not None
        assert torch.equal(found[0]["a"], feature(number)[0]["a"])
    for cache in (reader, FeatureCache(tmp_path, 0)):
        assert [cache.holds("mel", str(number)) for number in range(25)] == [True] * 20 + [False] * 5
        assert cache.notes("mel", "19") == {"how": "1"}
        tensors, notes = cache.get("mel", "13") or ({}, {})
        assert (tensors["a"].tolist(), tensors["b"].item(), notes) == ([13] * 6, True, {"how": "1"})
    assert len(list((tmp_path / "mel").iterdir())) == 2


def test_the_same_features_of_two_processes_are_one_file(tmp_path: Path) -> None:
    for _ in range(2):
        cache = FeatureCache(tmp_path, 0)
        with cache.gather():
            for number in range(3):
                cache.put("mel", str(number), feature(number))
    assert len(list((tmp_path / "mel").iterdir())) == 1


def test_a_shard_is_full_by_its_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vcbench.speech.features.cache.GATHERED", (100, 3 * 5024))
    cache = FeatureCache(tmp_path, 0)
    with cache.gather():
        for number in range(7):
            cache.put("mel", str(number), ({"a": torch.zeros(1000)}, {}))
            assert len(list((tmp_path / "mel").iterdir()) if number > 1 else ()) == (number + 1) // 3
    assert len(list((tmp_path / "mel").iterdir())) == 3


def test_files_are_hashed_once_until_they_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, memo = tmp_path / "a.bin", tmp_path / "memo.json"
    path.write_bytes(b"one")
    hashes = ContentHashes(memo)
    digest = hashes(path)
    assert digest == hash_file(path)
    hashes.save()
    monkeypatch.setattr("vcbench.speech.features.cache.hash_file", lambda path: "hashed again")
    assert ContentHashes(memo)(path) == digest
    path.write_bytes(b"another")
    assert ContentHashes(memo)(path) == "hashed again"
    memo.write_text("{")
    assert ContentHashes(memo)(path) == "hashed again"
    with pytest.raises(FileNotFoundError):
        hashes(tmp_path / "missing")
