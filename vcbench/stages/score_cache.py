"""Scoring by recording or by system: what was scored before is not scored again, and a kill loses little."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric, Metric, RunView, SystemMetric
from vcbench.api.scores import Measurement, Score
from vcbench.api.source import source_key
from vcbench.api.system import NeuralSystem
from vcbench.base.files import hash_json
from vcbench.base.nouns import counted
from vcbench.base.state import find_state, write_state
from vcbench.speech.utterance import Utterance

CHUNK = 32  # recordings measured between two writes of the cache
Scores = TypeVar("Scores")


class ScoringError(ValueError):
    """A metric gave something that is no score; what it gave is not cached."""


def evaluate(metric: Metric, run: RunView) -> list[Score]:
    """Score a run by one metric; what the run's cache holds is not measured again."""
    if isinstance(metric, AudioMetric):
        return metric.finish(score_recordings(metric, run), run)
    if isinstance(metric, SystemMetric):
        return score_systems(metric, run)
    return metric.evaluate(run)


def metric_key(metric: Metric) -> str:
    """Hash of all that decides a metric's values, apart from what it scores: its code, version and settings."""
    return hash_json([metric.name, metric.version, metric.settings(), source_key(type(metric))])


def score_recordings(metric: AudioMetric, run: RunView) -> list[Score]:
    """Score the conversions of a run, but not of systems that the metric's own speaker encoder conditions.

    Each recording's scores are a file of the run's score cache, named by a hash of the recording, of what else the metric
    reads (`AudioMetric.reads`), and of its name, version and settings. The same recording in several trials is scored once.

    Raises:
        ScoringError: a value that is not finite, a column that the metric does not have, or too few results.
    """
    settings = metric_key(metric)
    folder = run.score_cache / metric.name / settings[:16]
    scored = [
        one for one in run.conversions if not (one.conditioned_on and one.conditioned_on == metric.speaker_encoder)
    ]
    paths = [_path(folder, settings, metric, conversion) for conversion in scored]
    found = {path: _read(path) for path in dict.fromkeys(paths)}
    waiting = {path: one for path, one in zip(paths, scored, strict=True) if found[path] is None}
    if waiting:
        found |= _measure_all(metric, run, waiting)
    return [
        Score(
            conversion.system,
            column,
            conversion.trial,
            conversion.condition,
            value,
            weight,
            conversion.source.speaker,
            conversion.target.id,
            dict(detail),
        )
        for conversion, path in zip(scored, paths, strict=True)
        for column, value, weight, detail in found[path] or []
    ]


def score_systems(metric: SystemMetric, run: RunView) -> list[Score]:
    """Score every trained system of a run.

    A system's scores are a file of the run's score cache, named by a hash of its weights, of the split, and of the metric's
    name, version and settings. The row's name is no part of it: the same weights in two runs are measured once.

    Raises:
        ScoringError: a value that is not finite, or a column that the metric does not have.
    """
    settings = metric_key(metric)
    scores: list[Score] = []
    for done, row in enumerate(run.systems):
        key = run.system_key(row)
        path = run.score_cache / metric.name / settings[:16] / f"{hash_json([settings, key])}.json"
        measured = None if key is None else _read_scores(path)
        if measured is None:
            measured = _measure_system(metric, run, row)
            if key is not None:
                write_state(path, {"scores": [asdict(score) for score in measured]})
        scores += [replace(score, system=row) for score in measured]
        run.progress(done + 1, len(run.systems))
    return scores


def _measure_system(metric: SystemMetric, run: RunView, row: str) -> list[Score]:
    system = run.load_system(row)
    if not isinstance(system, NeuralSystem):
        return []
    scores = metric.measure(system, row, run)
    for score in scores:
        measured: list[Measurement] = [Measurement(score.column, score.value, score.weight, score.detail)]
        _refuse_no_score(metric, f"{metric.name}, {row}, {score.trial}", measured)
    return scores


def _measure_all(
    metric: AudioMetric, run: RunView, waiting: Mapping[Path, Conversion]
) -> dict[Path, list[Measurement]]:
    found: dict[Path, list[Measurement]] = {}
    items = list(waiting.items())
    metric.load(run.device)
    try:
        for begin in range(0, len(items), CHUNK):
            chunk = items[begin : begin + CHUNK]
            measured = metric.measure([conversion for _, conversion in chunk])
            _refuse_other_count(metric, len(chunk), len(measured))
            for (path, conversion), own in zip(chunk, measured, strict=True):
                where = f"{metric.name}, {conversion.system}, trial {conversion.trial} ({conversion.path})"
                _refuse_no_score(metric, where, own)
                write_state(path, {"scores": own})
                found[path] = own
            run.progress(min(begin + CHUNK, len(items)), len(items))
    finally:
        metric.unload()
    return found


def _contents(utterances: Sequence[Utterance]) -> list[str]:
    hashes = []
    for utterance in utterances:
        if utterance.features is None:
            raise ValueError(
                f"Utterance {utterance.id!r} has no feature store; get one with Utterance.with_features(store)."
            )
        hashes.append(utterance.features.content_hash(utterance))
    return hashes


# What a metric may read beside the recording, by its name in `AudioMetric.reads`.
READABLE: dict[str, Callable[[Conversion], Any]] = {
    "text": lambda conversion: conversion.spoken.text,
    "spoken": lambda conversion: _contents([conversion.spoken]),
    "source": lambda conversion: _contents([conversion.source]),
    "target": lambda conversion: _contents(conversion.target.utterances),
    "enrolment": lambda conversion: _contents(conversion.enrolment),
    "others": lambda conversion: [_contents(speaker.utterances) for speaker in conversion.others],
    "reference": lambda conversion: _contents([conversion.reference] if conversion.reference else []),
}


def _path(folder: Path, settings: str, metric: AudioMetric, conversion: Conversion) -> Path:
    read = {name: READABLE[name](conversion) for name in metric.reads}
    key = hash_json([settings, conversion.audio_hash, read])
    return folder / key[:2] / f"{key}.json"


def _read(path: Path) -> list[Measurement] | None:
    return _cached(path, lambda rows: [Measurement(*row) for row in rows])


def _read_scores(path: Path) -> list[Score] | None:
    return _cached(path, lambda rows: [Score(**row) for row in rows])


def _cached(path: Path, build: Callable[[Any], Scores]) -> Scores | None:
    """What `build` makes of a cached file; None if there is none, or, with a warning, a damaged one."""
    content = find_state(path)
    return None if content is None else build(content["scores"])


def _refuse_other_count(metric: AudioMetric, asked: int, got: int) -> None:
    if asked != got:
        raise ScoringError(
            f"{metric.name} was given {counted(asked, 'recording')} and returned {counted(got, 'result')}; it must be as many."
        )


def _refuse_no_score(metric: AudioMetric | SystemMetric, where: str, measured: list[Measurement]) -> None:
    for column, value, weight, detail in measured:
        if column not in metric.columns:
            raise ScoringError(f"{where}: column {column!r} is none of the metric's: {', '.join(metric.columns)}.")
        wanted = metric.columns[column].detail
        if wanted and wanted not in detail:
            raise ScoringError(
                f"{where}: the column {column!r} declares detail = {wanted!r}, but the detail has no such key."
            )
        if not math.isfinite(value) or not math.isfinite(weight) or weight < 0:
            raise ScoringError(
                f"{where}: {column} is {value} with weight {weight}; both must be finite, the weight not negative."
            )
    if len({column for column, *_ in measured}) < len(measured):
        raise ScoringError(f"{where}: a column is given more than once.")
