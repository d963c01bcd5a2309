"""The stages, one function each: prepare, train, convert, score, publish. Each leaves files and skips what is there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench import leaderboard
from vcbench.api.scores import Column, scores_to_frame
from vcbench.base.errors import ModelUnavailable
from vcbench.base.files import hash_json
from vcbench.base.jobs import Job, Progress, Report, run_jobs
from vcbench.base.machine import cache_root
from vcbench.base.settings import plain_json
from vcbench.base.state import find_parquet, find_state, read_state, write_parquet, write_state
from vcbench.conversion import conversion_key, convert_row, is_converted
from vcbench.heard import with_heard
from vcbench.manifest import write_manifest
from vcbench.run.folder import SCORES, TRIALS, Prepared, StoredSpeaker, StoredSplit, StoredUtterance, read_scores
from vcbench.run.run import Run, RunError, threads
from vcbench.run.trials import build_trials
from vcbench.sanity import broken_order
from vcbench.scoring import evaluate, metric_key
from vcbench.speech.conditions import vary
from vcbench.speech.corpora.check import check_corpus
from vcbench.speech.corpora.split import split
from vcbench.speech.features.prepare import prepare_features
from vcbench.speech.utterance import Utterance
from vcbench.trainings import training_jobs


def prepare(run: Run, progress: Progress) -> None:
    """Check every file, split, compute features, freeze the trial list."""
    before = Prepared.find(run.files)
    settings = _to_prepare(run, before.settings if before else {})
    if before is None or settings != before.settings:
        _prepare_corpus(run, settings, progress).write(run.files)
        vars(run).pop("prepared", None)  # what was read before is out of date
    if find_parquet(run.files.trials, TRIALS) is None:
        write_parquet(run.files.trials, build_trials(run.split, run.config.trials, run.config.seed))


def _prepare_corpus(run: Run, settings: dict[str, Any], progress: Progress) -> Prepared:
    checked = check_corpus(run.corpus, run.workers, _named(progress, "check recordings"), cache_root() / "checked.json")
    parts = split(checked.corpus, run.config.corpus.split, run.config.seed)
    groups = {name: getattr(parts, name) for name in ("training", "held_out", "unseen")}
    everything = [utterance.with_features(run.store) for group in groups.values() for utterance in group]
    needs = settings["needs"]
    made = prepare_features(run.store, everything, needs, run.workers, _named(progress, "features"))
    varied = [one for one in vary(everything[: len(parts.training)], settings["varied"]) if one.varied]
    varied_made = prepare_features(
        run.store, varied, needs, run.workers, _named(progress, "other recording conditions")
    )
    unusable = {identity for identity, _ in [*made.rejected, *varied_made.rejected]}
    usable = [utterance for utterance in everything if utterance.id not in unusable]
    speaking = {utterance.speaker for utterance in usable}
    stored = {
        name: tuple(_storable(u, run.corpus.root) for u in group if u.id not in unusable)
        for name, group in groups.items()
    }
    speakers = tuple(
        StoredSpeaker(id=s.id, sex=s.sex, seen=s.seen) for s in parts.speakers.values() if s.id in speaking
    )
    return Prepared(
        settings=settings,
        rejected=(*checked.rejected, *parts.rejected, *made.rejected, *varied_made.rejected),
        fallbacks=tuple(made.fallbacks),
        varied_fallbacks=tuple(varied_made.fallbacks),
        corpus_hash=hash_json([[u.id, u.text, u.span, run.store.content_hash(u)] for u in usable]),
        split=StoredSplit(**stored, speakers=speakers),
    )


def _storable(utterance: Utterance, root: Path) -> StoredUtterance:
    return StoredUtterance(
        id=utterance.id,
        speaker=utterance.speaker,
        text=utterance.text,
        span=utterance.span,
        held_out=utterance.held_out,
        path=utterance.path.relative_to(root).as_posix(),
    )


def _to_prepare(run: Run, before: dict[str, Any]) -> dict[str, Any]:
    """The corpus, and what the systems need of it; also what was prepared before, if that was of the same corpus."""
    needs, varied = run.needs
    same = {
        "corpus": plain_json(run.config.corpus),
        "features": plain_json(run.config.features),
        "seed": run.config.seed,
    }
    if all(before.get(name) == value for name, value in same.items()):
        needs, varied = needs | set(before["needs"]), max(varied, before["varied"])
    return same | {"needs": sorted(needs), "varied": varied}


def _named(progress: Progress, name: str) -> Report:
    return lambda done, total, note="": progress(name, done, total, note)


def check_metrics(run: Run, strict: bool) -> dict[str, str]:
    """Metrics whose model is not here, with the reason; looked at before any long work.

    Raises:
        ModelUnavailable: there is one and `strict` is set.
    """
    missing = {}
    for name, metric in run.metrics.items():
        try:
            metric.check()
        except ModelUnavailable as error:
            if strict:
                raise
            missing[name] = str(error)
    return missing


def train_rows(run: Run, rows: Sequence[str], progress: Progress) -> None:
    """Train what is not trained; several systems at once on a CPU, a thread each."""
    run_jobs(training_jobs(run, rows), run.workers, threads(run), progress)


def train_and_convert(run: Run, progress: Progress) -> None:
    """Train what is not trained, and have every row convert the trial list as soon as it can."""
    training = training_jobs(run, run.systems)
    converting = conversion_jobs(run, [job.name for job in training])
    run_jobs([*training, *converting], run.workers, threads(run), progress)


def convert(run: Run, progress: Progress) -> None:
    """Have every system and reference row convert the trial list."""
    run_jobs(conversion_jobs(run), run.workers, threads(run), progress)


def conversion_jobs(run: Run, to_be_trained: Sequence[str] = ()) -> list[Job]:
    """A job for each row whose recordings are not all there, or will not be those of its system when that is trained."""
    return [
        Job(
            f"convert {row}",
            convert_row,
            {"folder": run.folder, "row": row},
            cost=0.0,  # below any training's
            after=row if row in to_be_trained else "",
        )
        for row in run.rows
        if row in to_be_trained or not is_converted(run, row)
    ]


def score(run: Run, missing: dict[str, str], progress: Progress) -> None:
    """Score every recording by every metric that is here; scores/<metric>.parquet, a row per score."""
    jobs = [
        Job(name, score_metric, {"folder": run.folder, "name": name})
        for name in run.metrics
        if name not in missing and not _scored(run, name)
    ]
    run_jobs(jobs, run.workers, threads(run), progress)


def _score_key(run: Run, name: str) -> str:
    metric = run.metrics[name]
    keys = {row: conversion_key(run, row) for row in run.rows}
    return hash_json({"metric": metric_key(metric), "rows": keys})


def _scored(run: Run, name: str) -> bool:
    state = find_state(run.files.scoring(name))
    if state is None or state["key"] != _score_key(run, name):
        return False
    return find_parquet(run.files.scores(name), SCORES) is not None


def score_metric(folder: Path, name: str, progress: Report) -> None:
    """Score a run by one metric; its settings are written next to the table."""
    run = Run.open(folder)
    run.progress = progress
    metric = run.metrics[name]
    started = time.perf_counter()
    write_parquet(run.files.scores(name), scores_to_frame(evaluate(metric, run)))
    seconds = time.perf_counter() - started
    content = {"key": _score_key(run, name), "settings": metric.settings(), "seconds": seconds}
    write_state(run.files.scoring(name), content)


def publish(run: Run, missing: dict[str, str], wall_times: dict[str, float]) -> leaderboard.Leaderboard:
    """Write the manifest, the leaderboard in every format, and the report."""
    write_manifest(run, wall_times)
    return write_tables(run, missing)


def write_tables(run: Run, missing: dict[str, str]) -> leaderboard.Leaderboard:
    """Write the leaderboard in every format, and the report."""
    from vcbench import report  # here, because what draws takes seconds to import

    board = tabulate(run, missing)
    leaderboard.write(board, run.folder)
    report.write(run, board)
    return board


def unscored(run: Run) -> dict[str, str]:
    """Metrics that have left no scores in a run that was converted, with the reason.

    Raises:
        RunError: the run is not converted.
    """
    waiting = [row for row in run.rows if not run.files.outcomes(row).is_file()]
    if waiting:
        raise RunError(f"{run.folder} has no conversions of {', '.join(waiting)} yet. `vcbench run` makes them.")
    unavailable = check_metrics(run, strict=False)
    return {
        name: unavailable.get(name, "not scored yet; `vcbench run` with the run's settings scores it.")
        for name in run.metrics
        if not run.files.scores(name).is_file()
    }


def tabulate(run: Run, missing: dict[str, str]) -> leaderboard.Leaderboard:
    """The leaderboard of the scores that the run has, and of what listeners said; `missing` are metrics without scores, with
    the reason.
    """
    tables, notes = [], []
    columns: dict[str, Column] = {}
    unavailable: dict[str, str] = {}
    for name, metric in run.metrics.items():
        columns |= metric.columns
        if name in missing:
            unavailable |= dict.fromkeys(metric.columns, missing[name])
            continue
        scores = read_scores(run.files, name)
        tables.append(scores)
        unavailable |= {
            key: f"no recording has {column.needs}."
            for key, column in metric.columns.items()
            if column.needs and key not in set(scores["column"])
        }
        settings = read_state(run.files.scoring(name), "`vcbench run` scores the recordings again.")["settings"]
        text = f"{name}: " + ", ".join(f"{key} {value}" for key, value in settings.items())
        notes.append((tuple(metric.columns), text))
        notes += metric.remarks(scores)
    notes += [((), line) for line in run.notes]
    board = leaderboard.build(
        run, pd.concat([scores_to_frame([]), *tables], ignore_index=True), columns, notes, unavailable
    )
    return with_heard(replace(board, notes=(*board.notes, *(((), line) for line in broken_order(board)))), run)
