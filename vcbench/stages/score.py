"""The scoring stage: every metric scores every recording, a table per metric."""

from __future__ import annotations

import time
from pathlib import Path

from vcbench.api.scores import scores_to_frame
from vcbench.base.errors import ModelUnavailable
from vcbench.base.files import hash_json
from vcbench.base.jobs import Job, JobProgress, Progress
from vcbench.base.state import find_parquet, find_state, write_parquet, write_state
from vcbench.run.folder import SCORES
from vcbench.run.run import Run
from vcbench.stages.convert import conversion_key
from vcbench.stages.score_cache import evaluate, metric_key


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


def score(run: Run, missing: dict[str, str], progress: Progress) -> None:
    """Score every recording by every metric that is here; scores/<metric>.parquet, a row per score."""
    jobs = [
        Job(name, score_metric, {"folder": run.folder, "name": name}, gpu=True)
        for name in run.metrics
        if name not in missing and not _scored(run, name)
    ]
    run.engine.run(jobs, progress)


def _score_key(run: Run, name: str) -> str:
    metric = run.metrics[name]
    keys = {row: conversion_key(run, row) for row in run.rows}
    return hash_json({"metric": metric_key(metric), "rows": keys})


def _scored(run: Run, name: str) -> bool:
    state = find_state(run.files.scoring(name))
    if state is None or state["key"] != _score_key(run, name):
        return False
    return find_parquet(run.files.scores(name), SCORES) is not None


def score_metric(folder: Path, name: str, progress: JobProgress) -> None:
    """Score a run by one metric; its settings are written next to the table."""
    run = Run.open(folder)
    run.progress = progress
    metric = run.metrics[name]
    started = time.perf_counter()
    write_parquet(run.files.scores(name), scores_to_frame(evaluate(metric, run)))
    seconds = time.perf_counter() - started
    keys = {"key": _score_key(run, name), "metric": metric_key(metric)}
    write_state(run.files.scoring(name), keys | {"settings": metric.settings(), "seconds": seconds})
