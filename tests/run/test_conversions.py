"""The recordings of a run, as metrics read them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from vcbench.run.conversions import OTHERS, conversions_of, spread
from vcbench.speech.utterance import Speaker, Utterance

SPEAKERS = "abcd"


def recordings(speaker: str) -> list[str]:
    return [f"{speaker}{number}" for number in range(4)]


def trial(name: str, source: str, target: str, enrolment: list[str]) -> dict:
    return {
        "trial": name,
        "condition": "seen->seen",
        "source": f"{source}3",
        "source_speaker": source,
        "target_speaker": target,
        "target_utterance": f"{target}3",
        "references": [f"{target}0"],
        "enrolment": enrolment,
    }


@pytest.fixture
def found() -> dict:
    utterances = {
        name: Utterance(name, one, Path(name), "words" if one in "ab" else name)
        for one in SPEAKERS
        for name in recordings(one)
    }
    speakers = {one: Speaker(one, tuple(utterances[name] for name in recordings(one)), "F") for one in SPEAKERS}
    pairs = [("a", "b", ["b1"]), ("b", "c", ["c1"]), ("a", "c", ["c2"]), ("c", "d", ["d1"]), ("d", "a", ["a1", "a2"])]
    trials = pd.DataFrame([trial(f"t{index}", *pair) for index, pair in enumerate(pairs)])
    rows = ("system", "target")
    outcomes = pd.DataFrame(
        [(row, name, "", f"{row}-{name}") for row in rows for name in trials["trial"]],
        columns=["system", "trial", "error", "audio_hash"],
    )
    outcomes.loc[0, "error"] = "failed"
    made = conversions_of(trials, outcomes, utterances, speakers, {row: Path(row) for row in rows}, {"system": "ge2e"})
    return {(one.system, one.trial): one for one in made}


def test_each_is_its_trial_by_its_row(found: dict) -> None:
    assert len(found) == 9
    assert ("system", "t0") not in found
    one = found["system", "t1"]
    assert (one.path, one.audio_hash, one.conditioned_on) == (Path("system/t1.flac"), "system-t1", "ge2e")
    assert (one.source.id, one.spoken.id, one.target.id) == ("b3", "b3", "c")
    assert [utterance.id for utterance in (*one.target.utterances, *one.enrolment)] == ["c0", "c1"]
    assert found["target", "t1"].spoken.id == "c3"
    assert found["target", "t1"].conditioned_on is None


def test_a_reference_has_the_words_of_the_source(found: dict) -> None:
    assert found["target", "t0"].reference.id == "b3"
    assert found["target", "t1"].reference is None


def test_others_are_the_further_targets_with_their_first_enrolment(found: dict) -> None:
    others = {
        trial: [(one.id, [u.id for u in one.utterances]) for one in found["target", trial].others]
        for trial in ("t0", "t3")
    }
    assert others["t0"] == [("c", ["c1"]), ("d", ["d1"])]
    assert others["t3"] == [("a", ["a1", "a2"]), ("b", ["b1"])]


@pytest.mark.parametrize("count", [0, 1, OTHERS, OTHERS + 1, 5 * OTHERS])
def test_of_many_speakers_some_are_taken_evenly(count: int) -> None:
    speakers = [Speaker(str(number), ()) for number in range(count)]
    taken = [int(speaker.id) for speaker in spread(speakers, OTHERS)]
    assert min(count, OTHERS) // 2 <= len(taken) <= OTHERS
    assert len({second - first for first, second in pairwise(taken)}) <= 1
    assert taken[:1] == [0][:count]
