"""Which plots a run's report has: each only if the run has data for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from vcbench.api.scores import ALL, Column
from vcbench.base.errors import ModelUnavailable
from vcbench.base.nouns import counted
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report import plots, trial_plots
from vcbench.reporting.report.style import Look
from vcbench.reporting.sanity import SIMILARITY
from vcbench.run.run import Run
from vcbench.speech.features.mel import centres

OCTAVE = 12  # semitones


@dataclass(frozen=True)
class Plot:
    """A plot with its heading and an optional caption."""

    title: str
    svg: Markup
    caption: str = ""


@dataclass(frozen=True)
class Drawn:
    """What the plots are made of: `scores` are all of the run's; `roles` has the column of each role."""

    run: Run
    board: Leaderboard
    scores: pd.DataFrame
    roles: Mapping[str, str]
    looks: Mapping[str, Look]

    @property
    def pooled(self) -> pd.DataFrame:
        return self.board.cells[self.board.cells["condition"] == ALL]

    def of(self, column: str) -> pd.DataFrame:
        """Scores of the run's trials in a column."""
        found = self.scores[self.scores["column"] == column]
        return found[found["trial"].isin(set(self.run.trials["trial"]))]


def main_plots(drawn: Drawn) -> Iterator[Plot]:
    """What the page shows at once."""
    yield from _trade_off(drawn)
    yield from _distributions(drawn)
    yield from _pairs(drawn)
    yield from _cosines(drawn)
    yield from _register(drawn)
    yield from _bands(drawn)
    yield from _training(drawn)


def further_plots(drawn: Drawn) -> Iterator[Plot]:
    """Means and intervals of each main column, over all conditions and in each."""
    board = drawn.board
    for name, column in board.columns.items():
        cells = drawn.pooled[drawn.pooled["column"] == name]
        if column.main and len(cells):
            yield Plot(column.title, plots.intervals(cells, column, drawn.looks))
        cells = board.cells[(board.cells["column"] == name) & (board.cells["condition"] != ALL)]
        names = list(dict.fromkeys(cells["condition"]))
        if column.main and len(names) > 1 and set(cells["system"]) & set(board.systems):
            svg = plots.conditions(cells, column, drawn.looks, names)
            yield Plot(f"{column.title}, by condition", svg)


def _trade_off(drawn: Drawn) -> Iterator[Plot]:
    """Similarity against WER; without one of them, nothing."""
    across, up = drawn.roles.get("target"), drawn.roles.get("words")
    if across and up:
        columns = drawn.board.columns[across], drawn.board.columns[up]
        both = {across, up} <= set(drawn.pooled.loc[drawn.pooled["system"].isin(drawn.board.systems), "column"])
        if both:
            svg = plots.trade_off(drawn.pooled, *columns, (across, up), drawn.looks)
            caption = "A good system is where both are good. Open diamonds are reference rows."
            yield Plot("Similarity against word errors", svg, caption)


def _distributions(drawn: Drawn) -> Iterator[Plot]:
    for name in drawn.roles.values():
        own, column = drawn.of(name), drawn.board.columns[name]
        if own["trial"].nunique() > 1:
            caption = "Each trial; the thick line is from quartile to quartile, the tick the median."
            yield Plot(f"{column.title}, by trial", trial_plots.distributions(own, column, drawn.looks), caption)


def _pairs(drawn: Drawn) -> Iterator[Plot]:
    name = drawn.roles.get("target")
    if name:
        column = drawn.board.columns[name]
        svg = trial_plots.speaker_pairs(drawn.of(name), column, drawn.board.systems)
        if svg is not None:
            caption = "Source speakers down, target speakers across; means of their trials. An empty cell has no trial."
            yield Plot(f"{column.title}, by pair of speakers", svg, caption)


def _cosines(drawn: Drawn) -> Iterator[Plot]:
    """A plot for each metric that has scores and can verify the corpus's own speakers."""
    for metric in drawn.run.metrics.values():
        key = next((key for key in metric.columns if key.startswith(SIMILARITY)), None)
        cells = drawn.pooled[drawn.pooled["column"] == key]
        if key is None or cells.empty:
            continue
        try:
            found = metric.verification(drawn.run)
        except ModelUnavailable:
            continue  # scored on another machine: this one does not have the model
        if found is not None:
            column = drawn.board.columns[key]
            svg = plots.cosines(found.same, found.different, found.threshold, cells, column, drawn.looks)
            yield Plot(
                f"{column.title}: calibration on this corpus",
                svg,
                f"Top: the corpus's own recordings, {counted(len(found.same), 'pair')} of the same speaker and "
                f"{len(found.different)} of "
                f"different speakers. Equal error rate {found.error_rate:.1%}, at threshold {found.threshold:.3f}. Bottom: the rows.",
            )


def _register(drawn: Drawn) -> Iterator[Plot]:
    for name, column in drawn.board.columns.items():
        own = drawn.of(name)
        if column.detail == "semitones" and len(own):
            signed = own.assign(value=[json.loads(detail)["semitones"] for detail in own["detail"]])
            zero = "semitones above (+) or below (\N{MINUS SIGN}) the target's median F0"
            tick = OCTAVE if np.ptp(signed["value"]) > 3 * OCTAVE else OCTAVE / 4
            svg = trial_plots.distributions(signed, Column(column.title, None, 1), drawn.looks, zero, tick)
            yield Plot("F0 register, by trial", svg, "0 is the target's register; 12 semitones are an octave.")


def _bands(drawn: Drawn) -> Iterator[Plot]:
    """A plot for each column whose scores have details by mel band."""
    for name, column in drawn.board.columns.items():
        own = drawn.scores[drawn.scores["column"] == name]
        given = drawn.pooled[(drawn.pooled["column"] == name) & drawn.pooled["constructed"].astype(bool)]["system"]
        own = own[~own["system"].isin(given)]
        if column.detail != "bands" or own.empty:
            continue
        errors = {
            str(system): np.mean([json.loads(detail)["bands"] for detail in details], axis=0)
            for system, details in own.groupby("system", sort=False)["detail"]
        }
        caption = f"Without {', '.join(given)}: exact by construction." if len(given) else ""
        svg = plots.bands(errors, column, centres(drawn.run.config.features.mel), drawn.looks)
        yield Plot(f"{column.title}, by mel band", svg, caption)


def _training(drawn: Drawn) -> Iterator[Plot]:
    """A plot for each system that was trained in this run."""
    for row in drawn.run.systems:
        path = drawn.run.files.training_log(row)
        if path.is_file() and path.stat().st_size:
            log = pd.DataFrame([json.loads(line) for line in path.read_text().splitlines()])
            caption = "Each system has its own loss: compare the shapes of the curves, not their heights."
            yield Plot(f"Training of {row}", plots.training(log, row, drawn.looks[row]), caption)
