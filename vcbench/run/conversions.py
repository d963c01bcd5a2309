"""A run's recordings in the form that metrics and listening tests read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.api.conversion import Conversion
from vcbench.speech.utterance import Speaker, Utterance

OTHERS = 12  # speakers that a recording is compared with beside its own source and target, at most
OWN_WORDS = ("target", "oracle")  # rows in which the target speaks


def conversions_of(
    trials: pd.DataFrame,
    outcomes: pd.DataFrame,
    utterances: Mapping[str, Utterance],
    speakers: Mapping[str, Speaker],
    folders: Mapping[str, Path],
    encoders: Mapping[str, str | None],
) -> list[Conversion]:
    """Every conversion that succeeded, of systems and reference rows.

    Args:
        trials: see `vcbench.run.trials.build_trials`.
        outcomes: of every conversion: system, trial, error (empty where it went well), audio_hash.
        folders: by row, where its recordings are.
        encoders: by system, the speaker encoder that conditions it.
    """
    common = _of_every_row(trials, utterances, speakers)
    own_words = dict(zip(trials["trial"], trials["target_utterance"], strict=True))
    return [
        Conversion(
            system=one.system,
            path=folders[one.system] / f"{one.trial}.flac",  # `read_trials` refuses names that are paths
            audio_hash=one.audio_hash,
            conditioned_on=encoders.get(one.system),
            spoken=utterances[own_words[one.trial]] if one.system in OWN_WORDS else common[one.trial]["source"],
            **common[one.trial],
        )
        for one in outcomes[outcomes["error"] == ""].itertuples()
    ]


def _of_every_row(
    trials: pd.DataFrame, utterances: Mapping[str, Utterance], speakers: Mapping[str, Speaker]
) -> dict[str, dict[str, Any]]:
    """By trial, what its conversions by different systems have in common."""

    def voice(speaker: str, recordings: Sequence[str]) -> Speaker:
        return Speaker(speaker, tuple(utterances[one] for one in recordings), speakers[speaker].sex)

    rows = list(trials.itertuples())
    enrolled = {trial.target_speaker: voice(trial.target_speaker, trial.enrolment) for trial in reversed(rows)}
    found = {}
    for trial in rows:
        source, reference = utterances[trial.source], utterances[trial.target_utterance]
        pair = trial.source_speaker, trial.target_speaker
        found[trial.trial] = {
            "trial": trial.trial,
            "condition": trial.condition,
            "source": source,
            "reference": reference if source.text is not None and source.text == reference.text else None,
            "target": voice(trial.target_speaker, trial.references),
            "enrolment": voice(trial.target_speaker, trial.enrolment).utterances,
            "others": tuple(spread([one for name, one in sorted(enrolled.items()) if name not in pair], OTHERS)),
        }
    return found


def spread(speakers: Sequence[Speaker], most: int) -> Sequence[Speaker]:
    """At most so many of them, evenly from first to last."""
    return speakers[:: max(1, math.ceil(len(speakers) / most))]
