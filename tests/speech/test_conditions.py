"""Other recording conditions: always the same share of the utterances, each with its own noise, room and microphone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vcbench.run.folder import Prepared, StoredSplit
from vcbench.run.run import Run
from vcbench.run.selection import open_run
from vcbench.speech.conditions import GAIN, SIGNAL_TO_NOISE, _add_noise, _colour, apply, vary
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Utterance
from vcbench.stages.prepare import _to_prepare, prepare

RATE = 22_050


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    store = FeatureStore(tmp_path_factory.mktemp("cache"))
    return [utterance.with_features(store) for utterance in load_corpus("mini").utterances[:200]]


def test_about_the_share_is_varied_and_more_with_a_larger_one(utterances: list[Utterance]) -> None:
    chosen = {share: {one.id for one in vary(utterances, share) if one.varied} for share in (0.0, 0.25, 0.5, 1.0)}
    assert len(chosen[0.0]) == 0
    assert 30 <= len(chosen[0.25]) <= 70
    assert 80 <= len(chosen[0.5]) <= 120
    assert chosen[1.0] == {one.id for one in utterances}
    assert chosen[0.25] < chosen[0.5]


def test_the_id_decides_how_a_recording_sounds() -> None:
    wave = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * 0.05
    first, again = (apply(wave, RATE, "a") for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, apply(wave, RATE, "b"), atol=1e-3)


def test_power_and_length_stay() -> None:
    wave = np.sin(np.arange(RATE) * 0.05).astype(np.float32) * 0.2
    heard = apply(wave, RATE, "a")
    assert heard.shape == wave.shape
    assert heard.dtype == np.float32
    assert np.mean(heard**2) == pytest.approx(np.mean(wave**2), rel=1e-3)


def test_silence_is_filled_by_noise_and_the_room() -> None:
    """A tone burst between silences: before it there is only noise, after it also the room's tail."""
    wave = np.zeros(2 * RATE, np.float32)
    wave[RATE // 2 : RATE] = np.sin(np.arange(RATE - RATE // 2) * 0.3) * 0.3
    before, after = [], []
    for identity in "abcdefgh":
        heard = apply(wave, RATE, identity)
        before.append(np.mean(heard[: RATE // 2] ** 2))
        after.append(np.mean(heard[RATE : RATE + RATE // 10] ** 2))
    assert min(before) > 0
    assert np.mean(after) > 2 * np.mean(before)


def test_noise_and_colour_keep_to_their_ranges() -> None:
    wave = np.random.default_rng(1).standard_normal(4 * RATE)
    for identity in range(20):
        generator = np.random.default_rng(identity)
        noise = _add_noise(wave, RATE, generator) - wave
        ratio = 10 * np.log10(np.mean(wave**2) / np.mean(noise**2))
        low, high = SIGNAL_TO_NOISE
        assert low - 0.1 < ratio < high + 0.1
        coloured = _colour(wave, RATE, generator)
        gain = 20 * np.log10(np.abs(np.fft.rfft(coloured)) / np.abs(np.fft.rfft(wave)))
        assert np.abs(gain[1:-1]).max() < GAIN + 1e-6


def test_every_feature_is_of_the_varied_recording_and_kept_apart(utterances: list[Utterance]) -> None:
    clean, varied = utterances[0], replace(utterances[0], varied=True)
    assert clean.mel.shape == varied.mel.shape
    assert (clean.mel - varied.mel).abs().mean() > 0.05
    assert not torch.equal(clean.wave, varied.wave)
    assert clean.features is not None
    assert clean.features.content_hash(clean) != clean.features.content_hash(varied)
    folder = clean.features._cache.folder
    assert torch.equal(replace(varied, features=FeatureStore(Path(folder))).mel, varied.mel)


def opened(folder: Path, *assignments: str, system: str = "again_vc") -> Run:
    return open_run("tiny", None, list(assignments), system, folder.name, None, None, folder.parent)


def test_a_run_prepares_what_its_systems_will_hear(tmp_path: Path) -> None:
    run = opened(tmp_path / "varied", "systems.again_vc.training.varied_recordings=0.5", "workers=1")
    prepare(run, lambda *_: None)
    assert (run.prepared.settings["varied"], run.prepared.settings["needs"]) == (0.5, ["mel"])
    heard = vary(run.split.training, 0.5)
    assert 0 < sum(one.varied for one in heard) < len(heard)
    assert all(run.store.is_cached(one, ["mel"]) for one in heard)
    unheard = [replace(one, varied=True) for one in heard if not one.varied]
    assert not any(run.store.is_cached(one, ["mel"]) for one in unheard)
    wider = run.prepared.settings | {"needs": ["mel", "phones"], "varied": 0.75}
    assert _to_prepare(run, wider) == wider  # another study's settings: what it prepared is reused
    assert _to_prepare(run, wider | {"seed": 1}) == run.prepared.settings


def test_the_foot_counts_phones_of_a_recogniser_where_a_system_reads_them(tmp_path: Path) -> None:
    for name, system, share, told in (
        ("none", "again_vc", 0.5, []),
        ("clean", "flowvc", 0.0, ["1."]),
        ("varied", "flowvc", 0.5, ["3."]),
    ):
        run = opened(tmp_path / name, f"systems.{system}.training.varied_recordings={share}", system=system)
        fallbacks = {"fallbacks": (("one", "because"),), "varied_fallbacks": (("two", "because"), ("three", "because"))}
        split = StoredSplit(training=(), held_out=(), unseen=(), speakers=())
        Prepared(settings={}, rejected=(), corpus_hash="0", split=split, **fallbacks).write(run.files)
        *phones, vocoder = run.notes
        assert [line.rsplit(maxsplit=1)[1] for line in phones] == told
        assert vocoder.startswith("Vocoder: source-filter, SHA-256 ")
