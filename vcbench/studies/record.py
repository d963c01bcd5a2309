"""The record of a study: what was run, where, and what it found."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.base.files import write_json
from vcbench.base.machine import device_name, git_commit, today, versions
from vcbench.studies.results import StudyResults
from vcbench.studies.run import Finished


def write_record(finished: Finished, path: Path, command: str | None) -> None:
    """Write study.json: settings, versions and results, in full precision."""
    results, run = finished.results, finished.views[0]
    study = results.study
    before = json.loads(path.read_text()) if path.is_file() else {}
    seconds = before.get("seconds", {})
    record = {
        "study": study.name,
        "title": study.file.title,
        "source": study.file.source,
        "preset": study.preset,
        "command": command,
        "date": before.get("date", today()),
        # A repeated run only reads: the longest time is what the stage really took.
        "seconds": {name: round(max(own, seconds.get(name, 0.0)), 1) for name, own in finished.seconds.items()},
        "device": device_name(run.device),
        "workers": run.workers,
        "versions": versions(),
        "git_commit": git_commit(),
        "seeds": list(results.seeds),
        "corpus": {"name": run.corpus.name, "version": run.corpus.version, "synthetic": run.corpus.synthetic}
        | {"hashes": [view.prepared.corpus_hash for view in finished.views]},
        "speed": asdict(finished.speed) if finished.speed else None,
        "missing": finished.missing,
        "failures": finished.failures,
        "listening": {test: options.model_dump(mode="json") for test, options in study.listening.items()},
        "cells": {cell.label: {"row": cell.row, "settings": cell.settings} for cell in study.cells},
        "values": {
            label: {column: list(results.by_seed(label, column).values()) for column in study.columns}
            for label in study.rows.values()
        },
        "claims": [_plain_answer(results, claim) for claim in study.claims],
        "metrics": {name: metric.settings() for name, metric in run.metrics.items()},
    }
    write_json(path, record)


def _plain_answer(results: StudyResults, claim: Any) -> dict[str, Any]:
    answer = results.answer(claim)
    limits = {name: None if pd.isna(value) else value for name, value in asdict(answer).items() if name != "claim"}
    return claim.model_dump() | limits
