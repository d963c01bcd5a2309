"""The tool that made `mini`: choice of speakers and sentences, levels, coding, measures. The synthesiser is not run."""

import numpy as np
import pytest
import soundfile

from vcbench.base.errors import UserError
from vcbench.speech.corpora.mini.make import fetch as fetching
from vcbench.speech.corpora.mini.make.encode import encode_file
from vcbench.speech.corpora.mini.make.kokoro import RATE, at_level, is_british, trim
from vcbench.speech.corpora.mini.make.measure import closest_pair, equal_error_rate
from vcbench.speech.corpora.mini.make.plan import OWN_SENTENCES, choose, spread
from vcbench.speech.corpora.mini.make.pool import read_pool
from vcbench.speech.corpora.mini.make.screen import Screened
from vcbench.speech.corpora.mini.make.speak import by_turns


def voice(name: str, wer: float = 0.0, distillmos: float = 4.0, direction: int = 0) -> Screened:
    return Screened(name, wer, distillmos, np.eye(64)[direction])


def voices() -> list[Screened]:
    return [voice(f"a{sex}_{n:02d}", 0, 4 - n / 100, 2 * n + (sex == "m")) for sex in "fm" for n in range(20)]


def test_the_most_natural_voices_are_chosen_and_every_fourth_is_unseen() -> None:
    unseen, seen = choose(voices())
    assert [one.voice for one in unseen] == [f"a{sex}_{n:02d}" for sex in "fm" for n in (0, 4, 8, 12)]
    assert len(seen) == 26
    assert not {one.voice for one in seen} & {one.voice for one in unseen}


def test_a_voice_that_is_hard_to_understand_unnatural_or_like_another_is_left_out() -> None:
    bad = [
        voice("af_x", wer=0.2, direction=60),
        voice("am_y", distillmos=3.0, direction=61),
        voice("am_z", direction=1),
    ]
    unseen, seen = choose([*voices(), *bad])
    names = {one.voice for one in [*unseen, *seen]}
    assert not names & {"af_x", "am_y"}
    assert len(names & {"am_00", "am_z"}) == 1


def test_too_few_voices_are_an_error() -> None:
    with pytest.raises(UserError, match="16 voices of sex F pass the screening; 17 are needed"):
        choose([one for one in voices() if one.voice not in {"af_00", "af_01", "af_02", "af_03"}])


def test_sentences_are_spread_evenly() -> None:
    drawn = spread([str(n) for n in range(349)], 34, np.random.default_rng(0))
    assert all(len(set(own)) == OWN_SENTENCES for own in drawn)
    uses = np.unique([text for own in drawn for text in own], return_counts=True)[1]
    assert uses.max() - uses.min() <= 1


def test_the_pool_has_twenty_parallel_sentences_ten_of_them_held_out() -> None:
    pool = read_pool()
    assert len(pool.parallel) == 20
    assert sum(held_out for held_out, _ in pool.parallel) == 10
    assert len(set(pool.others)) == len(pool.others) > 300


def test_speakers_take_turns() -> None:
    assert by_turns([("a", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]) == [1, 3, 2, 5, 4]


def test_british_voices_get_british_phonemes() -> None:
    assert is_british({"bf_emma": 0.6, "af_sky": 0.4})
    assert not is_british({"ff_siwis": 1.0})


def test_trim_keeps_the_speech_and_little_else() -> None:
    speech = np.sin(np.arange(RATE, dtype=np.float32) * 0.3)
    trimmed = trim(np.concatenate([np.zeros(8000, np.float32), speech, np.zeros(5000, np.float32)]))
    assert RATE + 2000 <= len(trimmed) <= RATE + 4000
    assert np.isclose(np.sum(trimmed**2), np.sum(speech**2), rtol=1e-4)


def test_level_is_met_unless_the_peak_is_too_high() -> None:
    speech = np.sin(np.arange(RATE, dtype=np.float32) * 0.3)
    assert 10 * np.log10(np.mean(at_level(speech, -26) ** 2)) == pytest.approx(-26, abs=0.01)
    peaky = np.where(np.arange(RATE) % 1000 == 0, 1, 0.01).astype(np.float32)
    assert np.abs(at_level(peaky, -20)).max() == pytest.approx(0.85)


def test_what_is_encoded_comes_back(tmp_path) -> None:
    wave = 0.2 * np.sin(np.arange(2 * RATE + 777) * 0.05)
    soundfile.write(tmp_path / "a.flac", wave, RATE)
    encode_file(tmp_path / "a.flac", tmp_path / "speaker" / "a.ogg")
    back, rate = soundfile.read(tmp_path / "speaker" / "a.ogg")
    assert (rate, len(back)) == (RATE, len(wave))
    assert np.corrcoef(back[2000:-2000], wave[2000:-2000])[0, 1] > 0.95


def test_equal_error_rate_and_closest_pair() -> None:
    first, second = np.eye(4)[0], np.eye(4)[1]
    assert equal_error_rate({"a": [first] * 4, "b": [second] * 4}) == 0
    assert equal_error_rate({"a": [first, second], "b": [first, second]}) == pytest.approx(0.5, abs=0.5)
    between = (first + second) / np.sqrt(2)
    assert closest_pair({"a": first, "b": second, "c": between}) == (pytest.approx(np.sqrt(0.5)), "a", "c")


def test_weights_that_are_not_what_they_were_are_refused() -> None:
    with pytest.raises(UserError, match="The weights have the SHA-256"):
        fetching._require(b"other", fetching.MODEL_SHA256, "The weights")
