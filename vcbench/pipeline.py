"""The stages, one function each: prepare, train, convert, score, publish. Each leaves files and skips what is there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vcbench import config, leaderboard, registry
from vcbench.conversion import conversion_key, convert_row, is_converted
from vcbench.corpora.check import check_corpus
from vcbench.corpora.corpus import Utterance
from vcbench.corpora.split import split
from vcbench.engines import Job, Progress, run_jobs
from vcbench.errors import ModelUnavailable
from vcbench.features import preparation
from vcbench.files import hash_json, whole_file, write_json
from vcbench.heard import with_heard
from vcbench.manifest import write_manifest
from vcbench.metric import Column
from vcbench.recording_conditions import vary
from vcbench.run import Run, RunError, cache_root
from vcbench.sanity import broken_order
from vcbench.scoring import evaluate, scores_to_frame
from vcbench.trainings import training_jobs
from vcbench.trials import build_trials

Report = Callable[..., None]


def prepare(run: Run, progress: Progress) -> None:
    """Check every file, split, compute features, freeze the trial list."""
    path = run.folder / "prepared.json"
    before = json.loads(path.read_text())["settings"] if path.is_file() else {}
    settings = _to_prepare(run, before)
    if settings != before:
        checked = check_corpus(
            run.corpus, run.workers, _named(progress, "check recordings"), cache_root() / "checked.json"
        )
        parts = split(checked.corpus, run.config.corpus.split, run.config.seed)
        groups = {name: getattr(parts, name) for name in ("training", "held_out", "unseen")}
        everything = [utterance.with_features(run.store) for group in groups.values() for utterance in group]
        made = preparation.prepare(run.store, everything, settings["needs"], run.workers, _named(progress, "features"))
        varied = [one for one in vary(everything[: len(parts.training)], settings["varied"]) if one.varied]
        anew = preparation.prepare(
            run.store, varied, settings["needs"], run.workers, _named(progress, "other recording conditions")
        )
        unusable = {identity for identity, _ in [*made.rejected, *anew.rejected]}
        kept = {name: [u for u in group if u.id not in unusable] for name, group in groups.items()}
        usable = [utterance for utterance in everything if utterance.id not in unusable]
        heard = {utterance.speaker for utterance in usable}
        content = {
            "settings": settings,
            "rejected": [*checked.rejected, *parts.rejected, *made.rejected, *anew.rejected],
            "fallbacks": made.fallbacks,
            "varied_fallbacks": anew.fallbacks,
            "corpus_hash": hash_json([[u.id, u.text, u.span, run.store.content_hash(u)] for u in usable]),
            "split": {name: [_storable(u, run.corpus.root) for u in group] for name, group in kept.items()}
            | {
                "speakers": [
                    {"id": s.id, "sex": s.sex, "seen": s.seen} for s in parts.speakers.values() if s.id in heard
                ]
            },
        }
        write_json(path, content)
    if not (run.folder / "trials.parquet").is_file():
        trials = build_trials(run.split, run.config.trials, run.config.seed)
        with whole_file(run.folder / "trials.parquet") as temporary:
            trials.to_parquet(temporary)


def _storable(utterance: Utterance, root: Path) -> dict[str, Any]:
    """An utterance as JSON holds it, its path relative to the corpus so that a run's folder can be moved."""
    names = ("id", "speaker", "text", "span", "held_out")
    path = utterance.path.relative_to(root).as_posix()
    return {name: getattr(utterance, name) for name in names} | {"path": path}


def _to_prepare(run: Run, before: dict[str, Any]) -> dict[str, Any]:
    """The corpus, and what the systems need of it; also what was prepared before, if that was of the same corpus."""
    needs, varied = run.needs
    same = {
        "corpus": config.plain_json(run.config.corpus),
        "features": config.plain_json(run.config.features),
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
    for name, options in run.config.metrics.items():
        try:
            config.build_metric(name, options).check()
        except ModelUnavailable as error:
            if strict:
                raise
            missing[registry.row_name(name)] = str(error)
    return missing


def train(run: Run, rows: Sequence[str], progress: Progress) -> None:
    """Train what is not trained; several systems at once on a CPU, a thread each."""
    run_jobs(training_jobs(run, rows), run.workers, threads(run), progress)


def threads(run: Run) -> int:
    """One thread a job on a CPU: then a result does not depend on how many cores there are."""
    return 1 if run.device.type == "cpu" or run.workers > 1 else torch.get_num_threads()


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
        Job(registry.row_name(name), score_metric, {"folder": run.folder, "name": name})
        for name in run.config.metrics
        if registry.row_name(name) not in missing and not _scored(run, name)
    ]
    run_jobs(jobs, run.workers, threads(run), progress)


def _score_key(run: Run, name: str) -> str:
    metric = config.build_metric(name, run.config.metrics[name])
    keys = {row: conversion_key(run, row) for row in run.rows}
    return hash_json({"settings": metric.settings(), "version": metric.version, "rows": keys})


def _scored(run: Run, name: str) -> bool:
    path = run.folder / "scores" / f"{registry.row_name(name)}.json"
    return path.is_file() and json.loads(path.read_text())["key"] == _score_key(run, name)


def score_metric(folder: Path, name: str, progress: Report) -> None:
    """Score a run by one metric; its settings stand beside the table."""
    run = Run.open(folder)
    run.progress = progress
    metric = config.build_metric(name, run.config.metrics[name])
    started = time.perf_counter()
    table = scores_to_frame(evaluate(metric, run))
    path = run.folder / "scores" / f"{registry.row_name(name)}.parquet"
    with whole_file(path) as temporary:
        table.to_parquet(temporary)
    content = {"key": _score_key(run, name), "settings": metric.settings(), "seconds": time.perf_counter() - started}
    write_json(path.with_suffix(".json"), content)


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
    waiting = [row for row in run.rows if not (run.folder / "converted" / row / "conversions.parquet").is_file()]
    if waiting:
        raise RunError(f"{run.folder} has no conversions of {', '.join(waiting)} yet. `vcbench run` makes them.")
    unavailable = check_metrics(run, strict=False)
    names = [registry.row_name(name) for name in run.config.metrics]
    return {
        name: unavailable.get(name, "not scored yet; `vcbench run` with the run's settings scores it.")
        for name in names
        if not (run.folder / "scores" / f"{name}.parquet").is_file()
    }


def tabulate(run: Run, missing: dict[str, str]) -> leaderboard.Leaderboard:
    """The leaderboard of the scores that the run has, and of what listeners said; `missing` are metrics without scores, with
    the reason.
    """
    tables, notes = [], []
    columns: dict[str, Column] = {}
    unavailable: dict[str, str] = {}
    for name, options in run.config.metrics.items():
        row = registry.row_name(name)
        metric = config.build_metric(name, options)
        columns |= metric.columns
        if row in missing:
            unavailable |= dict.fromkeys(metric.columns, missing[row])
            continue
        scores = pd.read_parquet(run.folder / "scores" / f"{row}.parquet")
        tables.append(scores)
        unavailable |= {
            key: f"no recording has {column.needs}."
            for key, column in metric.columns.items()
            if column.needs and key not in set(scores["column"])
        }
        settings = json.loads((run.folder / "scores" / f"{row}.json").read_text())["settings"]
        notes.append(
            (tuple(metric.columns), f"{row}: " + ", ".join(f"{key} {value}" for key, value in settings.items()))
        )
        notes += metric.remarks(scores)
    notes += [((), line) for line in run.notes]
    board = leaderboard.build(
        run, pd.concat([scores_to_frame([]), *tables], ignore_index=True), columns, notes, unavailable
    )
    return with_heard(replace(board, notes=(*board.notes, *(((), line) for line in broken_order(board)))), run)
