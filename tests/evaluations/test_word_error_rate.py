"""Word error rate: counts match sclite's, the two references never mix, rates are pooled by weight."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vcbench.evaluations import word_error_rate
from vcbench.evaluations.word_error_rate import WordErrorRate, error_counts

from tests.support.recordings import FakeRun, conversion
from vcbench.base.errors import ModelUnavailable, UserError
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.whisper import RATE, Transcript, transcript
from vcbench.speech.utterance import Corpus
from vcbench.stages.score_cache import evaluate

here = pytest.mark.skipif(weights.look("faster-whisper/tiny.en") is None, reason="Whisper tiny.en is not installed")


WORDS = st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "mat"]), max_size=8)


@given(st.lists(st.sampled_from(["the", "cat", "sat", "on"]), min_size=1, max_size=8), WORDS)
def test_counts_are_an_alignment(reference: list[str], heard: list[str]) -> None:
    words, characters = error_counts(" ".join(reference), " ".join(heard))
    correct = len(reference) - words["substitutions"] - words["deletions"]
    assert correct >= 0
    assert correct + words["substitutions"] + words["insertions"] == len(heard)
    errors = sum(words[kind] for kind in ("substitutions", "deletions", "insertions"))
    assert errors <= max(len(reference), len(heard))
    assert (errors == 0) == (reference == heard)
    assert characters["length"] == len(" ".join(reference))


def test_counts_of_known_errors_and_a_space_is_a_character() -> None:
    words, characters = error_counts("please call stella now", "please all stella right now")
    assert {name: words[name] for name in ("length", "substitutions", "deletions", "insertions")} == {
        "length": 4, "substitutions": 1, "deletions": 0, "insertions": 1,
    }  # fmt: skip
    assert (characters["length"], characters["deletions"], characters["insertions"]) == (22, 1, 6)


# Normalised references, and what recognisers make of them.
PAIRS = (
    ("please call stella", "please call stella"),
    ("ask her to bring these things with her from the store", "oscar to bring these things with her from the store"),
    ("6 spoons of fresh snow peas 5 thick slabs of blue cheese", "6 bones of fresh no peas 5 thick slabs blue cheese"),
    (
        "we also need a small plastic snake and a big toy frog for the kids",
        "we also need a small plastic snake and a big toy",
    ),
    ("when the sunlight strikes raindrops in the air", "when the sunlight strikes rain drops in the air they act"),
    (
        "there is according to legend a boiling pot of gold at 1 end",
        "there is a cording to legend a boiling pot of gold at 1 end",
    ),
    ("people look but no one ever finds it", ""),
    (
        "throughout the centuries people have explained the rainbow",
        "the centuries people have explained the rainbow the rainbow",
    ),
)


@pytest.mark.skipif(shutil.which("sctk") is None, reason="sclite is not installed (Debian: apt install sctk)")
def test_nist_sclite_gives_the_same_counts(tmp_path: Path) -> None:
    for name, column in (("reference", 0), ("hypothesis", 1)):
        lines = [f"{pair[column]} (speaker-{row})\n" for row, pair in enumerate(PAIRS)]
        (tmp_path / name).write_text("".join(lines))
    files = ["-r", str(tmp_path / "reference"), "trn", "-h", str(tmp_path / "hypothesis"), "trn"]
    command = ["sctk", "sclite", *files, "-i", "spu_id", "-o", "pralign", "stdout"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"id: \(speaker-(\d+)\)\nScores: \(#C #S #D #I\) \d+ (\d+) (\d+) (\d+)", printed)
    assert len(rows) == len(PAIRS)
    for row, *counts in rows:
        words, _ = error_counts(*PAIRS[int(row)])
        assert [words[kind] for kind in ("substitutions", "deletions", "insertions")] == [
            int(count) for count in counts
        ]


class Heard:
    """A fake recogniser with fixed transcripts; the recording's peak selects one."""

    def __init__(self, texts: dict[float, str]) -> None:
        self.texts = texts

    def transcribe(self, waves: list[np.ndarray]) -> list[Transcript]:
        peaks = [float(np.abs(wave).max()) for wave in waves]
        nearest = [min(self.texts, key=lambda known: abs(known - peak)) for peak in peaks]
        return [transcript(self.texts[known], len(wave) / RATE) for known, wave in zip(nearest, waves, strict=True)]


@pytest.fixture
def run(small_corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """Two conversions of one speaker, of two and of six words; the second source's text is not known."""
    source, target = small_corpus.speakers[0], small_corpus.speakers[1]
    known = replace(source.utterances[0], text="Hello, world!")
    unknown = replace(source.utterances[1], text=None)
    tone = np.sin(np.arange(22050) * 0.1)
    conversions = [
        conversion(tmp_path, 0.2 * tone, known, target, trial="t0"),
        conversion(tmp_path, 0.4 * tone, unknown, target, trial="t1"),
    ]
    texts = {0.2: "hello word", 0.4: "that was so, that was so"}
    for utterance, text in ((known, "yellow world"), (unknown, "that was so")):
        texts[float(utterance.wave.abs().max())] = text
    monkeypatch.setattr(word_error_rate, "Transcriber", lambda *settings: Heard(texts))
    return FakeRun(tmp_path / "scores", conversions)


def test_each_reference_has_its_own_columns_and_weights(run: FakeRun) -> None:
    scores = {(score.trial, score.column): score for score in evaluate(WordErrorRate(), run)}
    to_text = scores["t0", "wer"]
    assert (to_text.value, to_text.weight) == (0.5, 2.0)
    assert to_text.detail["transcript"] == "hello word"
    assert (to_text.detail["substitutions"], to_text.detail["deletions"], to_text.detail["insertions"]) == (1, 0, 0)
    assert (scores["t0", "wer_mean"].value, scores["t0", "wer_mean"].weight) == (0.5, 1.0)
    parts = [scores["t0", f"wer_{kind}"] for kind in word_error_rate.ERRORS]
    assert [(part.value, part.weight) for part in parts] == [(0.5, 2.0), (0.0, 2.0), (0.0, 2.0)]
    assert scores["t0", "wer_recognised"].value == 1.0
    assert scores["t0", "wer_recognised"].detail["reference"] == "yellow world"
    assert scores["t0", "cer"].weight == len("hello world")
    assert scores["t1", "wer_recognised"].value == 1.0  # three insertions, three reference words
    assert scores["t0", "loops"].value == 0.0
    assert scores["t1", "loops"].value == 1.0


def test_without_a_text_there_is_no_row_against_the_text(run: FakeRun) -> None:
    columns = {score.column for score in evaluate(WordErrorRate(), run) if score.trial == "t1"}
    assert columns == {"loops", "wer_recognised", "cer_recognised"}


def test_a_reference_without_a_word_has_no_rate(run: FakeRun) -> None:
    one = run.conversions[0]
    run.conversions = [replace(one, spoken=replace(one.spoken, text="?!"))]
    assert {score.column for score in evaluate(WordErrorRate(), run)} == {"loops", "wer_recognised", "cer_recognised"}


@here
def test_real_speech_is_recognised_and_noise_is_not(small_corpus: Corpus, tmp_path: Path) -> None:
    source, target = small_corpus.speakers[0].utterances[1], small_corpus.speakers[1]
    noise = 0.1 * np.random.default_rng(0).standard_normal(44_100)
    run = FakeRun(
        tmp_path / "scores",
        [
            conversion(tmp_path, source.wave.numpy(), source, target, trial="speech"),
            conversion(tmp_path, noise, source, target, trial="noise"),
        ],
    )
    metric = WordErrorRate(window=15.0, precision="int8")
    metric.check()
    scores = {(score.trial, score.column): score.value for score in evaluate(metric, run)}
    assert scores["speech", "wer"] < 0.5 < scores["noise", "wer"]
    assert scores["speech", "wer_recognised"] <= 0.2
    assert all(score.column in metric.columns for score in evaluate(metric, run))


def test_the_foot_names_model_engine_and_normaliser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = WordErrorRate().settings()
    assert "faster-whisper" in settings["engine"]
    assert "tiny.en" in settings["model"]
    assert "20250625" in settings["normaliser"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="curl"):
        WordErrorRate("openai-whisper", "large-v2").check()
    with pytest.raises(UserError, match="Did you mean"):
        WordErrorRate(model="tiny.em")


def test_the_normaliser_fits_the_language() -> None:
    english, german = WordErrorRate(), WordErrorRate(model="tiny", language="de")
    assert english.settings()["normaliser"].startswith("EnglishTextNormalizer")
    assert "language" not in english.settings()
    assert german.settings()["language"] == "de"
    assert german.settings()["normaliser"].startswith("BasicTextNormalizer")


@pytest.mark.parametrize(
    ("language", "reference", "heard", "errors", "words"),
    [
        ("en", "It's twenty-one colours.", "it is 21 colors", 0, 4),
        ("de", "Ja, ein Bär im Gärtchen!", "ja ein Bär im Garten", 1, 5),
        ("zh", "你好 世界。", "你好世间", 1, 4),
    ],
)
def test_texts_are_compared_as_their_language_needs(
    language: str, reference: str, heard: str, errors: int, words: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(word_error_rate, "Transcriber", lambda *arguments: loaded.append(arguments))
    metric = WordErrorRate(model="tiny.en" if language == "en" else "tiny", language=language)
    metric.load(torch.device("cpu"))
    assert loaded[0][-1] == language
    counts, _ = metric._rates(reference, heard)
    assert counts["substitutions"] + counts["deletions"] + counts["insertions"] == errors
    assert counts["length"] == words
