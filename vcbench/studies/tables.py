"""A study's tables: each cell's figures next to the paper's, the claims with their answers, and the settings used."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from rich.table import Table

from vcbench.api.scores import Column
from vcbench.base import escape
from vcbench.base.machine import device_name
from vcbench.base.nouns import counted
from vcbench.listening.kinds import SUFFIX
from vcbench.listening.options import Options
from vcbench.reporting.speakers import few_speakers
from vcbench.reporting.terminal import fitted
from vcbench.reporting.text import NO_BREAK_SPACE, NOT_MEASURED, markdown_table, number
from vcbench.stats.scores import LEVEL
from vcbench.studies.listening import FOLDER
from vcbench.studies.results import Answer, StudyResults
from vcbench.studies.run import Finished
from vcbench.studies.study import CONDITION_SIGN, Study

PAPER = "paper"  # title of the columns with a paper's own figures
CLAIM_TITLES = ("claim", "source", "here", "difference")


def headings(study: Study) -> list[str]:
    """Titles of the table's columns: each column with figures of the paper is followed by one for these."""
    titles = ["cell"]
    for key, column in study.columns.items():
        arrow = {True: " ↑", False: " ↓", None: ""}[column.higher_is_better]
        titles.append(f"{column_title(study, key)}{arrow}")
        if has_paper(study, key):
            titles.append(PAPER)
    return titles


def column_title(study: Study, key: str) -> str:
    condition = key.partition(CONDITION_SIGN)[2]
    return study.columns[key].title + (f", {condition}" if condition else "")


def has_paper(study: Study, key: str) -> bool:
    return any(key in cell.paper for cell in study.cells)


def rows(finished: Finished) -> list[list[str]]:
    """A row for each cell, then for each reference row."""
    study = finished.results.study
    papers = {cell.label: cell.paper for cell in study.cells}
    unavailable = _unavailable(finished)
    table = []
    for label in study.rows.values():
        row = [label]
        for key, column in study.columns.items():
            row.append("n/a" if key in unavailable else _figure(finished.results, label, key))
            if has_paper(study, key):
                paper = papers.get(label, {})
                row.append(number(paper[key], column) if key in paper else NOT_MEASURED)
        table.append(row)
    return table


def _unavailable(finished: Finished) -> set[str]:
    """Columns of metrics whose model is missing."""
    study = finished.results.study
    absent: set[str] = set()
    for name, metric in finished.views[0].metrics.items():
        if name in finished.missing:
            absent |= metric.columns.keys()
    return {key for key in study.columns if key.partition(CONDITION_SIGN)[0] in absent}


def _figure(results: StudyResults, label: str, key: str) -> str:
    found, column = results.interval(label, key), results.study.columns[key]
    if found is None:
        return NOT_MEASURED
    mean = number(found.mean, column)
    return mean if column.exact or math.isnan(found.low) else f"{mean} {_range(found.low, found.high, column)}"


def _range(low: float, high: float, column: Column) -> str:
    return f"[{number(low, column)},{NO_BREAK_SPACE}{number(high, column)}]"


def claim_rows(results: StudyResults) -> list[list[str]]:
    return [
        [answer.claim.text, answer.claim.source, answer.verdict, _difference(results, answer)]
        for answer in map(results.answer, results.study.claims)
    ]


def _difference(results: StudyResults, answer: Answer) -> str:
    """The difference in the column's unit, with its interval and the claimed bound."""
    claim, column = answer.claim, results.study.columns[answer.claim.column]
    compared = f"{claim.cell} - {claim.other}"
    if math.isnan(answer.difference):
        return f"{compared}: not measured"
    interval = "" if math.isnan(answer.low) else f" {_range(answer.low, answer.high, column)}"
    bound = claim.margin if claim.relation == "below" else -claim.margin
    return (
        f"{compared}: {number(answer.difference, column)}{interval}, claimed {claim.relation} {number(bound, column)}"
    )


def header(finished: Finished) -> list[str]:
    """Source, corpus, scale, seeds and device, and how to read the figures."""
    results, run = finished.results, finished.views[0]
    study, parts = results.study, run.split
    synthetic = " Synthetic speech: its figures say nothing about real voices." if run.corpus.synthetic else ""
    seeds = ", ".join(map(str, results.seeds))
    several = len(results.seeds) > 1
    over = (
        "seeds (Student's t); differences are paired seed by seed"
        if several
        else "the tested speakers (bootstrap): one seed does not show how much another training would differ"
    )
    lines = [
        f"Source: {study.file.source}.",
        f"Corpus {run.corpus.title}: {counted(len({u.speaker for u in parts.training}), 'training speaker')}, "
        f"{counted(len(parts.training), 'training utterance')}.{synthetic}",
        f"Scale: preset {study.preset}{_recipe(study)}. {'Seeds' if several else 'Seed'} {seeds}. {device_name(run.device)}.",
        f"Mean [{LEVEL:.0%} interval] over {over}.",
        *([] if several else few_speakers(results.scores, _with_intervals(study))),
        *run.notes,
    ]
    if any(cell.paper for cell in study.cells):
        lines.append('"paper" is the figure that the paper reports, at its scale and on its corpus.')
    return lines


def _with_intervals(study: Study) -> set[str]:
    return {key.partition(CONDITION_SIGN)[0] for key, column in study.columns.items() if not column.exact}


def _recipe(study: Study) -> str:
    """Training steps and batch size, if all cells have the same."""
    found = {
        f", {counted(recipe['steps'], 'step')} of {recipe['batch_size']} x {counted(recipe['frames'], 'frame')}"
        for recipe in (cell.settings["training"] for cell in study.cells if "training" in cell.settings)
    }
    return found.pop() if len(found) == 1 else ""


def foot(finished: Finished) -> list[str]:
    """The metrics' settings, what is missing, the listening tests, and the speed."""
    study, lines = finished.results.study, []
    for name, metric in finished.views[0].metrics.items():
        if name in finished.missing:
            lines.append(f"{name}: n/a: {finished.missing[name]}")
        else:
            settings = ", ".join(f"{key} {value}" for key, value in metric.settings().items())
            lines.append(f"{name}: {settings}")
    if finished.failures:
        counted = ", ".join(f"{label} {count}" for label, count in finished.failures.items())
        lines.append(f"Failed conversions, which have no score: {counted}.")
    lines += [_listening(test, options, finished.results.seeds[0]) for test, options in study.listening.items()]
    lines.append(str(finished.speed) if finished.speed else "Models trained one at a time.")
    return lines


def _listening(test: str, options: Options, seed: int) -> str:
    folder = f"{FOLDER}/{test}"
    of = f" of {options.condition}" if options.condition else ""
    rows = ", ".join(options.rows) if options.rows else "all rows that the test allows"
    return (
        f"Listening test {test} of seed {seed}: {rows}; {counted(options.items, 'item')}{of}, "
        f"{counted(options.listeners, 'listener')}, {counted(options.per_item, 'rating')} of each clip. "
        f"`vcbench listen serve {folder} --results DIR` serves it, "
        f"`vcbench listen analyse --key {folder}{SUFFIX}` analyses the answers; both folders are next to this table."
    )


def markdown(finished: Finished) -> str:
    study = finished.results.study
    lines = [f"# {escape.markdown(study.file.title)}", ""]
    lines += [f"{escape.markdown_note(line)}\n" for line in header(finished)]
    lines += [*markdown_table([headings(study), *rows(finished)]), ""]
    if study.claims:
        lines += ["## Claims", ""]
        lines += [*markdown_table([CLAIM_TITLES, *claim_rows(finished.results)]), "", CLAIM_NOTE, ""]
    return "\n".join([*lines, *(f"{escape.markdown_note(line)}\n" for line in foot(finished))]).rstrip() + "\n"


CLAIM_NOTE = (
    "A claim holds here if the whole interval of the difference lies on the claimed side, does not hold if all of it lies "
    "on the other side, and cannot be told if the interval contains the bound. Each is answered separately, at 95%."
)


def long_table(finished: Finished) -> pd.DataFrame:
    """One row per cell and column, in full precision."""
    study, records = finished.results.study, list[dict[str, Any]]()
    papers = {cell.label: (cell.row, cell.paper) for cell in study.cells}
    for label in study.rows.values():
        row, paper = papers.get(label, (label, {}))
        for key in study.columns:
            found = finished.results.interval(label, key)
            record = {"cell": label, "row": row, "column": key, "paper": paper.get(key)}
            if found is not None:
                record |= {"mean": found.mean, "low": found.low, "high": found.high, "count": found.count}
            records.append(record)
    return pd.DataFrame(records, columns=["cell", "row", "column", "mean", "low", "high", "count", "paper"])


def render(finished: Finished, width: int) -> list[Table]:
    """The figures and the claims, for a terminal of so many characters."""
    study = finished.results.study
    titles = headings(study)
    joined = [title == PAPER for title in titles[1:]]
    figures = list(fitted(titles, rows(finished), width, study.file.title, joined))
    claims = Table(title="Claims")
    for title in CLAIM_TITLES:
        claims.add_column(title, overflow="fold")
    for row in claim_rows(finished.results):
        claims.add_row(*map(escape.terminal, row))
    return [*figures, claims] if study.claims else figures
