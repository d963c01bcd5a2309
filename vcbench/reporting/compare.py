"""Systems of several runs in one table, on the trials that the runs have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.api.scores import Column
from vcbench.base.errors import UserError
from vcbench.base.escape import csv
from vcbench.base.files import hash_json, write_text
from vcbench.base.nouns import counted
from vcbench.base.state import read_state
from vcbench.reporting.formats import long_table, markdown
from vcbench.reporting.latex_board import latex
from vcbench.reporting.leaderboard import Leaderboard, build
from vcbench.run.config import RunConfig
from vcbench.run.folder import read_all_scores
from vcbench.run.run import Run
from vcbench.speech.utterance import Corpus

IDENTITY = ("source", "target_speaker", "references", "enrolment", "target_utterance")  # what a trial is, but its name
SCORED_AGAIN = "`vcbench run` scores the recordings again."


Trial = tuple[str, str]  # name and condition


class ComparisonError(UserError):
    """Runs that cannot be compared; the message says why."""


@dataclass(frozen=True)
class _Scored:
    """A run with the name that it goes by here."""

    name: str
    run: Run

    def row(self, system: str) -> str:
        return f"{self.name}/{system}"

    def trials(self) -> pd.DataFrame:
        """`trial`, `condition`, and `key`, which is the same in another run for the same recordings."""
        table = self.run.trials
        parts = [[self._content(getattr(trial, name)) for name in IDENTITY] for trial in table.itertuples()]
        return table[["trial", "condition"]].assign(key=[hash_json(part) for part in parts])

    @staticmethod
    def _content(value: Any) -> Any:
        return value if isinstance(value, str) else list(value)

    def scorings(self) -> dict[str, dict[str, Any]]:
        """By metric that has scores, what they were made with: "settings", and "metric", a hash that covers the code too."""
        files = self.run.files
        return {
            name: read_state(files.scoring(name), SCORED_AGAIN)
            for name in self.run.metrics
            if files.scores(name).is_file()
        }


@dataclass(frozen=True)
class Together:
    """The runs as one, for the tables; the seed is the first run's."""

    config: RunConfig
    corpus: Corpus
    systems: list[str]
    rows: list[str]
    outcomes: pd.DataFrame


def compare_runs(folders: Sequence[Path]) -> Leaderboard:
    """The systems of the runs as rows RUN/SYSTEM, on common trials, with paired comparisons of all pairs.

    Reference rows are the first run's. A metric that another run scored with other settings is left out, with the reason.

    Raises:
        ComparisonError: fewer than two runs, other recordings in the corpus, no common trial, or no common metric.
    """
    if len(folders) < 2:
        raise ComparisonError("Name two or more runs to compare.")
    runs = [_Scored(name, Run.open(folder)) for name, folder in zip(run_names(folders), folders, strict=True)]
    _require_same_corpus(runs)
    trials = _common_trials(runs)
    columns, unavailable, metrics = _common_metrics(runs)
    scores = pd.concat([_scores(one, metrics, trials[one.name], one is runs[0]) for one in runs], ignore_index=True)
    return build(_together(runs, trials), scores, columns, _notes(runs, trials, metrics), unavailable)


def run_names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or as much of their paths as tells them apart."""
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ComparisonError("A run is named twice.")
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _require_same_corpus(runs: Sequence[_Scored]) -> None:
    first, *others = runs
    for other in others:
        if other.run.prepared.corpus_hash != first.run.prepared.corpus_hash:
            raise ComparisonError(
                f"{first.name} and {other.name} use other recordings: the corpora are {first.run.corpus.name} and "
                f"{other.run.corpus.name}, and their contents differ. Only runs on the same recordings can be compared."
            )


def _common_trials(runs: Sequence[_Scored]) -> dict[str, dict[str, Trial]]:
    """By run and by trial there: the trial's name and condition in the first run, for trials that every run has."""
    tables = {one.name: one.trials() for one in runs}
    common = set.intersection(*(set(table["key"]) for table in tables.values()))
    if not common:
        counts = ", ".join(f"{name} {len(table)}" for name, table in tables.items())
        raise ComparisonError(
            f"The runs have no trial in common (trials: {counts}). Make them with the same `trials` settings and trials.seed."
        )
    first = tables[runs[0].name].drop_duplicates("key").set_index("key")
    return {
        name: {
            row.trial: (first.at[row.key, "trial"], first.at[row.key, "condition"])
            for row in table.itertuples()
            if row.key in common
        }
        for name, table in tables.items()
    }


def _common_metrics(runs: Sequence[_Scored]) -> tuple[dict[str, Column], dict[str, str], dict[str, Any]]:
    """The columns of all metrics, why some have no values, and the settings of those that can be compared."""
    scorings = {one.name: one.scorings() for one in runs}
    columns, unavailable, usable = dict[str, Column](), dict[str, str](), dict[str, Any]()
    for one in runs:
        for name, metric in one.run.metrics.items():
            reason = _difference(name, scorings)
            columns |= metric.columns
            if reason:
                unavailable |= dict.fromkeys(metric.columns, reason)
            else:
                usable[name] = scorings[one.name][name]["settings"]
    if not usable:
        raise ComparisonError(f"No metric can be compared: {' '.join(dict.fromkeys(unavailable.values()))}")
    return columns, unavailable, usable


def _difference(metric: str, scorings: Mapping[str, Mapping[str, dict[str, Any]]]) -> str:
    """Why a metric's scores of these runs cannot be compared; empty if they can."""
    lacking = [name for name, own in scorings.items() if metric not in own]
    if lacking:
        return f"{metric} has no scores in {', '.join(lacking)}."
    (first, known), *others = ((name, own[metric]) for name, own in scorings.items())
    for name, own in others:
        before, after = known["settings"], own["settings"]
        if keys := [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]:
            pairs = "; ".join(f"{key} is {before.get(key)} in {first}, {after.get(key)} in {name}" for key in keys)
            return f"{metric} was scored with other settings: {pairs}."
        if known["metric"] != own["metric"]:
            return f"{metric} was scored by other code in {name} than in {first}. Score both with the same version."
    return ""


def _scores(
    one: _Scored, metrics: Mapping[str, Any], common: Mapping[str, Trial], with_references: bool
) -> pd.DataFrame:
    """Scores on common trials, by their names here; a score of a system, which belongs to no trial, stays as it is."""
    table = read_all_scores(one.run.files, metrics)
    other = set(one.run.trials["trial"]) - set(common)
    table = _renamed(table[~table["trial"].isin(other)], one, with_references)
    found = [common.get(trial, (trial, where)) for trial, where in table[["trial", "condition"]].to_numpy()]
    return table.assign(trial=[trial for trial, _ in found], condition=[where for _, where in found])


def _renamed(table: pd.DataFrame, one: _Scored, with_references: bool) -> pd.DataFrame:
    """The rows of a run's systems, called RUN/SYSTEM, and where wanted of its references."""
    own = table["system"].isin(one.run.systems)
    renamed = table.assign(system=table["system"].map(one.row).where(own, table["system"]))
    return renamed if with_references else renamed[own]


def _together(runs: Sequence[_Scored], trials: Mapping[str, Mapping[str, Trial]]) -> Together:
    first = runs[0].run
    outcomes = [
        _renamed(one.run.outcomes[one.run.outcomes["trial"].isin(set(trials[one.name]))], one, one is runs[0])
        for one in runs
    ]
    systems = [one.row(system) for one in runs for system in one.run.systems]
    return Together(
        config=first.config.model_copy(update={"name": " and ".join(one.name for one in runs)}),
        corpus=first.corpus,
        systems=systems,
        rows=[*systems, *first.config.reference_rows],
        outcomes=pd.concat(outcomes, ignore_index=True),
    )


def _notes(
    runs: Sequence[_Scored], trials: Mapping[str, Mapping[str, Any]], metrics: Mapping[str, Any]
) -> list[tuple[Sequence[str], str]]:
    lines: list[tuple[Sequence[str], str]] = [
        (
            tuple(runs[0].run.metrics[name].columns),
            f"{name}: " + ", ".join(f"{key} {value}" for key, value in own.items()),
        )
        for name, own in metrics.items()
        if name in runs[0].run.metrics
    ]
    for one in runs:
        lines.append(
            (
                (),
                f"{one.name}: {len(trials[one.name])} of its {counted(len(one.run.trials), 'trial')} are common to all.",
            )
        )
    return lines


def write_comparison(board: Leaderboard, folder: Path) -> None:
    """Write comparison.html, .md, .tex and .csv, and pairs.csv with every paired difference."""
    from vcbench.reporting.report.page import render_comparison  # here, because what draws takes seconds to import

    write_text(folder / "comparison.html", render_comparison(board))
    write_text(folder / "comparison.md", markdown(board))
    write_text(folder / "comparison.tex", latex(board))
    write_text(folder / "comparison.csv", csv(long_table(board)))
    write_text(folder / "pairs.csv", csv(board.comparisons))
