"""Roles do not overlap, are drawn by seed and balanced; recordings of a speaker with few are cut."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.seeded import sentence_of
from vcbench.speech.corpora.segments import TooLittleSpeech, cut_evenly, cut_off_end
from vcbench.speech.corpora.split import Split, SplitSettings, split
from vcbench.speech.utterance import Corpus, CorpusError, Speaker, Utterance

RATE = 16_000


def speaker(name: str, texts: list[str | None], sex: str | None = None, seen: bool | None = None) -> Speaker:
    utterances = (Utterance(f"{name}-{i:03}", name, Path(f"{name}-{i}.wav"), text) for i, text in enumerate(texts))
    return Speaker(name, tuple(utterances), sex, seen)  # type: ignore[arg-type]


def corpus(*speakers: Speaker) -> Corpus:
    return Corpus("test", Path("root"), speakers, "none")


def parallel(speakers: int, sentences: int) -> Corpus:
    texts: list[str | None] = [f"Sentence {number}." for number in range(sentences)]
    return corpus(*(speaker(f"s{i}", texts, "FM"[i % 2]) for i in range(speakers)))


def recording(path: Path, seconds: float, pauses: list[float] | None = None, silence: float = 0.0) -> Utterance:
    """Noise at the level of speech, with pauses of 0.1 s, between silences."""
    wave = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))
    for pause in pauses or []:
        wave[round((pause - 0.05) * RATE) : round((pause + 0.05) * RATE)] *= 1e-3
    ends = 1e-5 * np.random.default_rng(1).standard_normal(round(silence * RATE))
    soundfile.write(str(path), np.concatenate([ends, wave, ends]), RATE)
    return Utterance(path.stem, "s", path, "All the words.")


def check_roles(result: Split) -> None:
    groups = [{u.id for u in group} for group in (result.training, result.held_out, result.unseen)]
    assert sum(map(len, groups)) == len(set().union(*groups))
    seen = {u.speaker for u in result.training}
    assert seen == {u.speaker for u in result.held_out} == {s.id for s in result.speakers.values() if s.seen}
    assert {u.speaker for u in result.unseen} == {s.id for s in result.speakers.values() if not s.seen}
    assert all(count >= 3 for count in Counter(u.speaker for u in result.held_out).values())
    assert not any(u.held_out for u in result.training)
    assert all(u.held_out for u in result.held_out)
    assert {u for s in result.speakers.values() for u in s.utterances} == {
        *result.training,
        *result.held_out,
        *result.unseen,
    }


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 30), min_size=4, max_size=20, unique=True), min_size=2, max_size=8),
    st.integers(0, 4),
    st.integers(3, 10),
    st.integers(0, 5),
)
def test_roles_never_overlap(said: list[list[int]], unseen: int, held_out: int, seed: int) -> None:
    whole = corpus(*(speaker(f"s{i}", [f"Words {n}" for n in said_by]) for i, said_by in enumerate(said)))
    options = SplitSettings(unseen_speakers=unseen, held_out_utterances=held_out)
    result = split(whole, options, seed)
    check_roles(result)
    assert result == split(whole, options, seed)
    assert len({u.speaker for u in result.unseen}) == min(unseen, len(said) // 2, len(said) - 2)
    assert not result.rejected


def test_parallel_sentences_held_out_are_trained_on_by_nobody() -> None:
    result = split(parallel(8, 40), SplitSettings(), 0)
    trained, held_out = ({sentence_of(u) for u in group} for group in (result.training, result.held_out))
    assert not trained & held_out
    assert len(held_out) == 8
    assert len(result.held_out) == 8 * 4
    assert len(result.training) == 32 * 4
    assert {sentence_of(u) for u in result.unseen if u.held_out} == held_out
    assert len(result.unseen) == 40 * 4


def test_partly_parallel_corpus_holds_out_the_shared_sentences() -> None:
    shared: list[str | None] = [f"Shared {n}" for n in range(10)]
    people = [speaker(f"s{i}", [*shared, *(f"Own {i} {n}" for n in range(40))]) for i in range(6)]
    result = split(corpus(*people), SplitSettings(unseen_speakers=2), 3)
    assert {u.text for u in result.held_out} <= set(shared)
    assert not {sentence_of(u) for u in result.training} & {sentence_of(u) for u in result.held_out}


def test_same_sentence_whatever_the_punctuation() -> None:
    one, two = (Utterance(name, "s", Path("x"), text) for name, text in (("1", "He's in, Bob!"), ("2", "HE S IN BOB")))
    assert sentence_of(one) == sentence_of(two)
    assert sentence_of(replace(one, text=None)) != sentence_of(replace(two, text=None))


def test_seeds_differ_and_sexes_balance() -> None:
    whole = parallel(20, 10)
    results = [split(whole, SplitSettings(unseen_speakers=4, training_speakers=6), seed) for seed in range(5)]
    assert len({tuple(sorted(result.speakers)) for result in results}) > 1
    for result in results:
        for seen, count in ((True, 3), (False, 2)):
            assert Counter(s.sex for s in result.speakers.values() if s.seen is seen) == {"F": count, "M": count}


def test_a_recording_less_changes_nothing_else() -> None:
    whole = parallel(6, 30)
    first = split(whole, SplitSettings(), 0)
    gone = first.training[7].id
    less = [replace(s, utterances=tuple(u for u in s.utterances if u.id != gone)) for s in whole.speakers]
    second = split(replace(whole, speakers=tuple(less)), SplitSettings(), 0)
    assert second.held_out == first.held_out
    assert [u.id for u in second.training] == [u.id for u in first.training if u.id != gone]


def test_what_the_corpus_fixes_is_kept() -> None:
    def fixed(s: Speaker) -> Speaker:
        return replace(s, utterances=tuple(replace(u, held_out=i < 5) for i, u in enumerate(s.utterances)))

    texts: list[str | None] = [str(n) for n in range(12)]
    people = [fixed(speaker(name, texts, seen=name < "d")) for name in "abcdef"]
    result = split(corpus(*people), SplitSettings(unseen_speakers=2, held_out_utterances=3), 1)
    check_roles(result)
    assert sorted({u.speaker for u in result.training}) == ["a", "b", "c"]
    assert len({u.speaker for u in result.unseen}) == 2
    assert {u.id[-3:] for u in result.held_out} == {f"{n:03}" for n in range(5)}
    assert {u.id[-3:] for u in result.unseen if u.held_out} == {f"{n:03}" for n in range(5)}


def test_a_speaker_whose_sentences_are_all_held_out_for_others_is_still_trained_on() -> None:
    texts: list[str | None] = [str(n) for n in range(20)]
    result = split(
        corpus(speaker("a", texts), speaker("b", texts), speaker("c", texts[:4])), SplitSettings(unseen_speakers=0), 0
    )
    check_roles(result)
    assert "c" in {u.speaker for u in result.training}


def test_limits() -> None:
    options = SplitSettings(unseen_speakers=2, training_speakers=3, training_utterances=5, unseen_utterances=6)
    result = split(parallel(10, 30), options, 0)
    assert Counter(u.speaker for u in result.training) == dict.fromkeys({u.speaker for u in result.held_out}, 5)
    assert len({u.speaker for u in result.training}) == 3
    assert Counter(u.speaker for u in result.unseen) == dict.fromkeys({u.speaker for u in result.unseen}, 6)
    assert all(u.held_out for u in result.unseen)


def test_one_speaker_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"has 1 usable speaker\(s\); voice conversion needs two or more"):
        split(corpus(speaker("a", ["x"] * 9)), SplitSettings(), 0)


def test_nobody_to_train_on_is_an_error() -> None:
    with pytest.raises(CorpusError, match=r"no speaker left to train on. All speakers are unseen"):
        split(corpus(*(speaker(name, [None] * 9, seen=False) for name in "abc")), SplitSettings(), 0)


def test_speakers_with_one_recording(tmp_path: Path) -> None:
    lengths = {"a": 12.0, "b": 12.0, "c": 3.0, "d": 12.0, "e": 60.0}
    people = []
    for name, seconds in lengths.items():
        path = tmp_path / f"{name}.wav"
        own = replace(recording(path, seconds), id=f"{name}-0", speaker=name)
        people.append(Speaker(name, (own,), seen=name != "d"))
    (tmp_path / "f.wav").write_bytes(b"")
    people.append(Speaker("f", (Utterance("f-0", "f", tmp_path / "f.wav"),), seen=True))
    result = split(corpus(*people), SplitSettings(held_out_utterances=8), 0)
    check_roles(result)
    reasons = dict(result.rejected)
    assert sorted(reasons) == ["c", "f"]
    assert "3.0 s of speech; 6.0 s are needed to cut it into one segment and 3 more" in reasons["c"]
    assert "empty" in reasons["f"]
    pieces = {name: sorted(s.utterances, key=lambda u: u.id) for name, s in result.speakers.items()}
    assert [u.id for u in pieces["a"]] == ["a-0@0", "a-0@1", "a-0@2", "a-0@3"]
    assert all(u.text is None for s in pieces.values() for u in s)
    (training,) = [u for u in result.training if u.speaker == "a"]
    begin, end = training.span or (0, 0)
    assert 0.5 * 12 < end - begin < 0.65 * 12
    assert len(pieces["d"]) == 4
    assert len([u for u in result.held_out if u.speaker == "e"]) == 4  # 24 s of the minute, five seconds each
    read = [audio.decode(u.path, u.span)[0] for u in pieces["a"]]
    np.testing.assert_array_equal(np.concatenate(read), audio.decode(tmp_path / "a.wav")[0])


def test_three_recordings_are_cut_and_four_are_not(tmp_path: Path) -> None:
    utterances = [replace(recording(tmp_path / f"{n}.wav", 6.0), id=f"a-{n}", speaker="a") for n in range(4)]
    other = speaker("b", [str(n) for n in range(10)], seen=True)
    three = split(corpus(Speaker("a", tuple(utterances[:3]), seen=True), other), SplitSettings(), 0)
    assert len([u for u in three.training if u.speaker == "a"]) == 3
    assert len([u for u in three.held_out if u.speaker == "a"]) == 3
    four = split(corpus(Speaker("a", tuple(utterances), seen=True), other), SplitSettings(), 0)
    assert all(u.span is None for u in four.speakers["a"].utterances)
    assert len([u for u in four.training if u.speaker == "a"]) == 1


def test_cuts_fall_on_pauses_and_leave_out_the_silence_at_the_ends(tmp_path: Path) -> None:
    utterance = recording(tmp_path / "a.wav", 8.0, pauses=[2.2, 3.8, 6.3], silence=1.0)
    spans = [u.span or (0.0, 0.0) for u in cut_evenly(utterance, 4, 1.0, 100.0)]
    assert [span[1] for span in spans[:-1]] == pytest.approx([3.2, 4.8, 7.3], abs=0.05)
    assert spans[0][0] == pytest.approx(1.0, abs=0.08)
    assert spans[-1][1] == pytest.approx(9.0, abs=0.08)


@settings(max_examples=40, deadline=None)
@given(st.floats(1.0, 40.0), st.integers(1, 6), st.floats(0.5, 3.0), st.floats(1.5, 8.0), st.booleans())
def test_segments_cover_without_overlap(
    tmp_path_factory: pytest.TempPathFactory, seconds: float, count: int, minimum: float, wanted: float, evenly: bool
) -> None:
    wanted = max(wanted, minimum)
    utterance = recording(tmp_path_factory.mktemp("cut") / "a.wav", seconds)
    try:
        if evenly:
            pieces = cut_evenly(utterance, count, minimum, wanted)
        else:
            pieces = cut_off_end(utterance, 0.4, count, count + 3, minimum, wanted)
    except TooLittleSpeech:
        assert seconds < max(count, seconds // wanted) * minimum + (0 if evenly else minimum) + 0.1
        return
    spans = [piece.span or (0.0, 0.0) for piece in pieces]
    assert len(spans) >= count + (not evenly)
    assert all(left[1] == right[0] for left, right in pairwise(spans))
    assert all(end - begin >= minimum - 1e-6 for begin, end in spans)
    assert spans[0][0] >= 0
    assert spans[-1][1] <= seconds + 1e-4


def test_a_segment_can_be_cut_again(tmp_path: Path) -> None:
    whole = recording(tmp_path / "a.wav", 12.0)
    half = cut_evenly(whole, 2, 1.0, 100.0)[1]
    quarters = cut_evenly(half, 2, 1.0, 100.0)
    assert half.span is not None
    assert quarters[0].span[0] == pytest.approx(half.span[0])  # type: ignore[index]
    assert quarters[1].span[1] == pytest.approx(half.span[1])  # type: ignore[index]
    assert quarters[1].id == "a@1@1"


def test_real_speakers_with_one_recording_each(shared: Path) -> None:
    speech = load_corpus("folder", shared / "corpora" / "librispeech-mini")
    result = split(speech, SplitSettings(unseen_speakers=10, training_speakers=24), 0)
    check_roles(result)
    sexes = Counter(s.sex for s in result.speakers.values() if s.seen)
    assert sexes["F"] + sexes["M"] == 24
    assert abs(sexes["F"] - sexes["M"]) <= 4  # not equal: some have too little speech
    assert len({u.speaker for u in result.unseen}) == 10
    shares = []
    for one in (s for s in result.speakers.values() if s.seen):
        lengths = {u.held_out: u.span[1] - u.span[0] for u in one.utterances if u.span}
        assert all(u.span and u.span[1] - u.span[0] >= 1.5 - 1e-6 for u in one.utterances)
        shares.append(lengths[False] / sum(u.span[1] - u.span[0] for u in one.utterances if u.span))
    assert np.median(shares) > 0.5
