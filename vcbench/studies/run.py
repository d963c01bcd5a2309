"""Running a study: missing systems are trained, all seeds at once; what any study has done before is reused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from vcbench.api.scores import scores_to_frame
from vcbench.api.system import NeuralSystem
from vcbench.base.console import print_missing
from vcbench.base.jobs import Job, Progress
from vcbench.base.progress import stage
from vcbench.run import config as configuration
from vcbench.run.config import RunConfig
from vcbench.run.run import Run
from vcbench.stages.convert import conversion_jobs
from vcbench.stages.prepare import prepare
from vcbench.stages.score import check_metrics
from vcbench.stages.score_cache import evaluate
from vcbench.stages.train import training_jobs
from vcbench.studies.listening import build_tests, check_trials
from vcbench.studies.results import StudyResults
from vcbench.studies.speed import Speed, measure_speed
from vcbench.studies.study import Study


@dataclass(frozen=True)
class Finished:
    """A finished study: its results, a view of each seed's run, and what the tables' notes need.

    Attributes:
        missing: metrics whose model is not on this machine, with the reason.
        failures: number of failed conversions, by the table's row.
        seconds: by stage.
    """

    results: StudyResults
    views: list[Run]
    missing: dict[str, str]
    speed: Speed | None
    failures: dict[str, int]
    seconds: dict[str, float]


def shared_folder(study: Study, runs: Path) -> Path:
    """The folder that all studies of a preset and corpus share, so that each reuses what the others trained."""
    return runs / "studies" / f"{study.preset}-{study.config.corpus.name}"


def run_study(study: Study, seeds: int, runs: Path, out: Path, console: Console) -> Finished:
    """Prepare, train, convert if recordings are needed, build listening tests, and score; each stage skips what is done."""
    shared = [open_seed(study, seed, shared_folder(study, runs)) for seed in _seeds(study, seeds)]
    views = [Run(run.folder, _view(study, run)) for run in shared]
    missing = check_metrics(views[0], False)
    print_missing(missing, console)
    times: dict[str, float] = {}
    with stage("prepare", times, console) as progress:
        for run in shared:
            prepare(run, progress)
    check_trials(study, views[0])
    with stage("speed", times, console) as progress:
        speed = _speed(study, shared, out, progress)
    with stage("train", times, console) as progress:
        _run_all(study, views, lambda view: training_jobs(view, view.systems), progress)
    if study.needs_recordings:
        with stage("convert", times, console) as progress:
            _run_all(study, views, conversion_jobs, progress)
    if study.listening:
        with stage("listening tests", times, console):
            build_tests(study, views[0], out)
    with stage("score", times, console) as progress:
        scores = _score(study, views, missing, progress)
    failures = _failures(study, views) if study.needs_recordings else {}
    results = StudyResults(study, scores, tuple(run.config.seed for run in views))
    return Finished(results, views, missing, speed, failures, times)


def _seeds(study: Study, count: int) -> range:
    return range(study.config.seed, study.config.seed + count)


def open_seed(study: Study, seed: int, folder: Path) -> Run:
    """The run of one seed, which other studies may have begun; without metrics, as each study has its own."""
    name = f"{folder.name}-seed-{seed}"
    return Run.create(
        folder / f"seed-{seed}", study.config.model_copy(update={"seed": seed, "name": name, "metrics": {}})
    )


def _view(study: Study, run: Run) -> RunConfig:
    """A run's settings with only the study's rows and metrics."""
    return study.config.model_copy(update={"seed": run.config.seed, "name": run.config.name})


def _run_all(study: Study, views: Sequence[Run], list_jobs: Callable[[Run], list[Job]], progress: Progress) -> None:
    """The jobs of every seed in one call, each named by its cell and seed."""

    def called(row: str, view: Run) -> str:
        return f"{study.rows.get(row, row)}, seed {view.config.seed}"

    jobs = [
        replace(job, name=called(job.arguments["row"], view), after=job.after and called(job.after, view))
        for view in views
        for job in list_jobs(view)
    ]
    views[0].engine.run(jobs, progress)


def _speed(study: Study, shared: Sequence[Run], out: Path, progress: Progress) -> Speed | None:
    """Measured once and then read, so that a repeated table says the same. None if models train one at a time."""
    path = out / "study.json"
    before = json.loads(path.read_text())["speed"] if path.is_file() else None
    if before is not None:
        return Speed(**before)
    trained = [
        (run, cell.row)
        for run in shared
        for cell in study.cells
        if issubclass(configuration.system_class(cell.row, cell.settings), NeuralSystem)
    ]
    several = trained[: shared[0].workers]
    return measure_speed(several, shared[0].threads, progress) if len(several) > 1 else None


def _score(study: Study, views: Sequence[Run], missing: dict[str, str], progress: Progress) -> pd.DataFrame:
    """Scores of every seed, with the table's row labels."""
    jobs = {
        f"{metric}, seed {view.config.seed}": (view, metric)
        for view in views
        for metric in view.metrics
        if metric not in missing
    }
    made = views[0].engine.run(
        [
            Job(name, score_view, {"folder": view.folder, "config": view.config, "name": metric}, gpu=True)
            for name, (view, metric) in jobs.items()
        ],
        progress,
    )
    tables = [made[name].assign(seed=view.config.seed) for name, (view, _) in jobs.items()]
    scores = pd.concat([scores_to_frame([]).assign(seed=0), *tables], ignore_index=True)
    return scores.assign(system=scores["system"].map(study.rows))


def score_view(folder: Path, config: RunConfig, name: str, progress: Any) -> pd.DataFrame:
    """Score the rows of `config` in a run's folder by one metric."""
    view = Run(folder, config)
    view.progress = progress
    return scores_to_frame(evaluate(view.metrics[name], view))


def _failures(study: Study, views: Sequence[Run]) -> dict[str, int]:
    failed = pd.concat([view.failures for view in views])["system"].map(study.rows)
    return {str(label): int(count) for label, count in failed.value_counts().items()}
