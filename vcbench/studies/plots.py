"""A study's plot: panels side by side, our figures with intervals, the paper's as open diamonds."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib import pyplot
from matplotlib.axes import Axes

from vcbench.base import escape
from vcbench.base.files import whole_file
from vcbench.stats.scores import Interval
from vcbench.studies.file import Panel
from vcbench.studies.results import StudyResults
from vcbench.studies.study import Cell
from vcbench.studies.tables import column_title

matplotlib.use("Agg")


PANEL = (4.8, 4.0)  # inches
ABREAST = 3  # panels in one row; more are split over two
TITLE = 48  # characters per line of a panel's title
LABEL = 16  # characters per line of a bar's label
REFERENCES = {"source": ":", "target": "-."}  # reference rows that are drawn as horizontal lines

PAPER: dict[str, Any] = {
    "marker": "D",
    "linestyle": "none",
    "markerfacecolor": "none",
    "markeredgecolor": "0.3",
    "label": "paper",
}

# The same plot gives the same file; a dollar sign in a label is one.
SETTINGS: Any = {"svg.hashsalt": "vcbench", "svg.fonttype": "none", "text.parse_math": False}


def write_plots(results: StudyResults, out: Path) -> None:
    """Write plot.svg and plot.png, if the study draws anything."""
    panels = results.study.file.draw
    if not panels:
        return
    with sns.axes_style("whitegrid"), pyplot.rc_context(SETTINGS):
        rows = 1 if len(panels) <= ABREAST else 2
        columns = math.ceil(len(panels) / rows)
        width, height = PANEL
        figure, axes = pyplot.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False)
        for axis in axes.flat[len(panels) :]:
            axis.remove()
        for draw, axis in zip(panels, axes.flat, strict=False):
            (_bars if draw.kind == "bars" else _curves)(results, draw, axis)
        figure.suptitle(textwrap.fill(escape.plot(results.study.file.title), TITLE * columns))
        figure.tight_layout()
        for path in (out / "plot.svg", out / "plot.png"):
            with whole_file(path) as temporary:
                figure.savefig(temporary, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)


def _bars(results: StudyResults, draw: Panel, axis: Axes) -> None:
    """One bar per cell that has a value."""
    found = [
        (cell, value) for cell in results.study.cells if (value := _point(results, cell.label, draw.y)) is not None
    ]
    positions, means = range(len(found)), [value.mean for _, value in found]
    axis.bar(positions, means, color=sns.color_palette()[0], width=0.7)
    axis.errorbar(positions, means, yerr=_errors([value for _, value in found]), fmt="none", color="0.2", capsize=3)
    papers = {at: cell.paper[draw.y] for at, (cell, _) in enumerate(found) if draw.y in cell.paper}
    if papers:
        axis.plot(list(papers), [_shown(results, draw.y, figure) for figure in papers.values()], **PAPER)
    for row, style in REFERENCES.items():
        if (level := _point(results, row, draw.y)) is not None:
            axis.axhline(level.mean, color="0.4", linestyle=style, label=row)
    _level(results, draw, axis)
    _bound(results, draw, axis, means)
    labels = [textwrap.fill(escape.plot(cell.label), LABEL) for cell, _ in found]
    axis.set_xticks(positions, labels, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_title(textwrap.fill(column_title(results.study, draw.y), TITLE), fontsize=10, loc="left")
    _legend(axis)


def _curves(results: StudyResults, draw: Panel, axis: Axes) -> None:
    """A curve through the cells of each value of `hue`, in the order of the file."""
    assert draw.x is not None  # the study was checked
    study = results.study
    groups: dict[Any, list[Cell]] = {}
    for cell in study.cells:
        groups.setdefault(cell.place.get(draw.hue) if draw.hue else None, []).append(cell)
    for colour, (name, cells) in zip(sns.color_palette(n_colors=len(groups)), groups.items(), strict=True):
        points = [(cell, _point(results, cell.label, draw.x), _point(results, cell.label, draw.y)) for cell in cells]
        measured = [(cell, x, y) for cell, x, y in points if x is not None and y is not None]
        xs, ys = [x for _, x, _ in measured], [y for _, _, y in measured]
        label = None if name is None else escape.plot(str(name))
        axis.errorbar(
            [x.mean for x in xs], [y.mean for y in ys], _errors(ys), _errors(xs),
            fmt="o-", color=colour, ecolor=(*colour, 0.35), capsize=2, label=label,
        )  # fmt: skip
        for cell, x, y in measured:
            text = str(cell.place[draw.annotate]) if draw.annotate else cell.label
            axis.annotate(
                escape.plot(text), (x.mean, y.mean), (4, 4), textcoords="offset points", color=colour, fontsize=8
            )
        papers = [cell.paper for cell in cells if {draw.x, draw.y} <= cell.paper.keys()]
        if papers:
            at = [[_shown(results, key, paper[key]) for paper in papers] for key in (draw.x, draw.y)]
            axis.plot(*at, **PAPER | {"markeredgecolor": colour})
    _level(results, draw, axis)
    found = (_point(results, cell.label, draw.y) for cell in study.cells)
    _bound(results, draw, axis, [value.mean for value in found if value is not None])
    axis.set_xlabel(column_title(study, draw.x))
    axis.set_ylabel(column_title(study, draw.y))
    _legend(axis)


def _point(results: StudyResults, label: str, key: str) -> Interval | None:
    """A row's figure as drawn: fractions in percent if the column says so."""
    found = results.interval(label, key)
    if found is None:
        return None
    mean, low, high = (_shown(results, key, value) for value in (found.mean, found.low, found.high))
    return Interval(mean, low, high, found.count)


def _shown(results: StudyResults, key: str, value: float) -> float:
    return value * 100 if results.study.columns[key].percent else value


def _errors(found: list[Interval]) -> list[list[float]]:
    """Distances from mean to low and to high; 0 where there is no interval."""
    low = [0.0 if math.isnan(value.low) else value.mean - value.low for value in found]
    high = [0.0 if math.isnan(value.high) else value.high - value.mean for value in found]
    return [low, high]


def _level(results: StudyResults, draw: Panel, axis: Axes) -> None:
    """A dashed line at a column's mean over the cells."""
    if draw.line is None:
        return
    found = [
        value.mean for cell in results.study.cells if (value := _point(results, cell.label, draw.line)) is not None
    ]
    if found:
        axis.axhline(sum(found) / len(found), color="0.4", linestyle="--", label=column_title(results.study, draw.line))


def _bound(results: StudyResults, draw: Panel, axis: Axes, means: list[float]) -> None:
    """Limit percentages to 0 to 100, which an interval over few seeds may exceed; word error rates may really be above 100."""
    if results.study.columns[draw.y].percent:
        low, high = axis.get_ylim()
        axis.set_ylim(max(low, 0.0), high if max(means, default=0.0) > 100 else min(high, 103.0))


def _legend(axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    if labels:
        unique = dict(zip(labels, handles, strict=True))
        axis.legend(unique.values(), unique.keys(), fontsize=8)
