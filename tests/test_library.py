"""vcbench from Python: figures are those of a run, and recordings may be paths or samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import vcbench
from tests.support.made_up_run import made_up_run
from vcbench.base.errors import UserError
from vcbench.run.folder import RunError, read_scores
from vcbench.speech.utterance import Corpus

GE2E = ("speaker_similarity_ge2e",)


@pytest.fixture(scope="module")
def voices(small_corpus: Corpus) -> list[list[Path]]:
    """Recordings of two speakers."""
    return [[utterance.path for utterance in speaker.utterances[:3]] for speaker in small_corpus.speakers[:2]]


def test_a_run_is_read_as_tables(tmp_path: Path) -> None:
    made = made_up_run(tmp_path / "made", ["one", "two"], {"one": 0.5, "two": 0.7, "source": 0.2, "target": 0.9})
    run = vcbench.load_run(made.folder)
    pd.testing.assert_frame_equal(run.scores, read_scores(made.files, "Made"), check_dtype=False)
    cell = run.leaderboard.query("condition == 'all' and system == 'one' and column == 'similarity_x'").iloc[0]
    own = run.scores.query("system == 'one' and column == 'similarity_x'")["value"]
    assert cell["mean"] == pytest.approx(own.mean(), abs=1e-12)
    assert len(run.trials) == 8
    with pytest.raises(UserError, match="no conversion of 't0' by 'one'"):
        run.recording("one", "t0")
    with pytest.raises(RunError, match="is not a run"):
        vcbench.load_run(tmp_path)


def test_a_recording_is_most_similar_to_its_own_voice(voices: list[list[Path]]) -> None:
    (first, second, third), (other, *_) = voices
    table = vcbench.score([first, other], [second, second], [third, third], metrics=GE2E)
    assert len(table) == 2
    assert table["similarity_ge2e"][0] > table["similarity_ge2e"][1]


def test_samples_score_as_their_file_does(voices: list[list[Path]]) -> None:
    (first, second, third), _ = voices
    paths = vcbench.score(first, second, third, metrics=GE2E)
    samples = vcbench.score(*(soundfile.read(path) for path in (first, second, third)), metrics=GE2E)
    assert np.allclose(paths, samples, atol=1e-3)


def test_words_are_counted_against_the_text(small_corpus: Corpus) -> None:
    one, other = (speaker.utterances[0] for speaker in small_corpus.speakers[:2])
    assert one.text
    same = vcbench.score(one.path, one.path, other.path, text=one.text, metrics=["word_error_rate"])
    wrong = vcbench.score(
        one.path, one.path, other.path, text="Something else is said here.", metrics=["word_error_rate"]
    )
    assert same["wer"][0] < 0.3
    assert same["wer_recognised"][0] == 0
    assert wrong["wer"][0] > 0.7


def test_what_cannot_be_scored_is_refused(voices: list[list[Path]], tmp_path: Path) -> None:
    first, second, third = voices[0]
    with pytest.raises(UserError, match="Got 2 conversions, 1 source, 1 target and 2 texts"):
        vcbench.score([first, second], second, third, metrics=GE2E)
    with pytest.raises(UserError, match="speaker_probe scores systems or whole runs"):
        vcbench.score(first, second, third, metrics=["speaker_probe"])
    with pytest.raises(UserError, match=r"nothing\.wav"):
        vcbench.score(tmp_path / "nothing.wav", second, third, metrics=GE2E)
    with pytest.raises(UserError, match="either --checkpoint alone"):
        vcbench.convert(first, second, run=tmp_path, checkpoint=first)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vcbench.nothing  # noqa: B018
