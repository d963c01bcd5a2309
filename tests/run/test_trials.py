"""The trial list: balanced, frozen, and fair to every system."""

from __future__ import annotations

import pytest

from vcbench.run.trials import CONDITIONS, TrialError, TrialSettings, build_trials, trials_hash
from vcbench.speech.corpora.split import Split


def test_same_seed_same_list_and_hash(small_split: Split) -> None:
    first, second = (build_trials(small_split, TrialSettings(seed=3)) for _ in range(2))
    assert trials_hash(first) == trials_hash(second)
    assert trials_hash(first) != trials_hash(build_trials(small_split, TrialSettings(seed=4)))


def test_no_recording_has_two_roles_and_none_was_trained_on(small_split: Split) -> None:
    trained = {utterance.id for utterance in small_split.training}
    for trial in build_trials(small_split, TrialSettings(per_condition=24)).itertuples():
        roles = [trial.source, trial.target_utterance, *trial.references, *trial.enrolment]
        assert len(set(roles)) == len(roles) == 1 + 1 + 1 + 3
        assert trial.source not in trained
        assert not trained & set(trial.enrolment)
        assert trial.source_speaker != trial.target_speaker


def test_conditions_draw_from_the_right_speakers(small_split: Split) -> None:
    seen = {utterance.speaker for utterance in small_split.training}
    trials = build_trials(small_split, TrialSettings(per_condition=8))
    assert trials["condition"].value_counts().to_dict() == dict.fromkeys(CONDITIONS, 8)
    for trial in trials.itertuples():
        source, target = trial.condition.split("->")
        assert (trial.source_speaker in seen) == (source == "seen")
        assert (trial.target_speaker in seen) == (target == "seen")


def test_sex_pairs_are_balanced(small_split: Split) -> None:
    trials = build_trials(small_split, TrialSettings(per_condition=16))
    counts = trials[trials["condition"] == "seen->seen"]["sex_pair"].value_counts()
    assert counts.max() - counts.min() <= 1


def test_target_row_says_the_same_sentence_in_a_parallel_corpus(small_split: Split) -> None:
    texts = {u.id: u.text for group in (small_split.training, small_split.held_out, small_split.unseen) for u in group}
    for trial in build_trials(small_split, TrialSettings()).itertuples():
        assert texts[trial.target_utterance] == texts[trial.source]


def test_too_few_recordings_is_an_error_that_says_so(small_split: Split) -> None:
    with pytest.raises(TrialError, match="a trial needs 42"):
        build_trials(small_split, TrialSettings(enrolment=40))
    with pytest.raises(TrialError, match="allowed: seen->seen"):
        build_trials(small_split, TrialSettings(conditions=("seen->nobody",)))
