"""The report's plots, as SVG with colours from the page, so that they follow its light and dark theme."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from vcbench.api.scores import Column
from vcbench.base.escape import plot, visible

# CSS variable: colours on a light and on a dark page. Plots are drawn in the first, which the variable then replaces.
COLOURS = {
    "ink": ("#1b2330", "#e6e9ef"),
    "muted": ("#5a6472", "#a3adbb"),
    "line": ("#d5dae1", "#39414e"),
    "series-1": ("#2563a8", "#7ab8ff"),
    "series-2": ("#c2410c", "#ff9e64"),
    "series-3": ("#15803d", "#6ee7a0"),
    "series-4": ("#9333a8", "#d7a3f0"),
    "series-5": ("#a16207", "#e8c547"),
    "series-6": ("#0e7490", "#67d8ee"),
    "series-7": ("#be185d", "#ff8fb8"),
}

INK, MUTED, LINE = (COLOURS[name][0] for name in ("ink", "muted", "line"))
SERIES = [light for name, (light, _) in COLOURS.items() if name.startswith("series")]
MARKERS = "osD^vPX*"  # in addition to colours, for readers who cannot tell them apart
WIDTH = 4.0  # inches: fits a phone

STYLE: Any = {
    "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "text.color": INK, "xtick.labelcolor": MUTED, "xtick.color": LINE,
    "ytick.labelcolor": INK, "ytick.color": LINE, "grid.color": LINE, "grid.linewidth": 0.6, "axes.spines.right": False,
    "axes.spines.top": False, "font.size": 9, "axes.labelsize": 9, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5, "legend.frameon": False, "text.parse_math": False, "svg.fonttype": "none",
    "svg.hashsalt": "vcbench",
}  # fmt: skip


def new(height: float, rows: Sequence[float] = (1.0,)) -> tuple[Figure, list[Axes]]:
    """A figure of `height` inches with stacked axes of these relative heights that share their x axis."""
    with matplotlib.rc_context(sns.axes_style("whitegrid") | STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
    return figure, list(axes)


def inline(figure: Figure, description: str) -> Markup:
    """The figure as an element of an HTML page: without header, with unique ids and colours as CSS variables."""
    buffer = io.StringIO()
    for words in figure.findobj(Text):
        words.set_parse_math(False)  # also in ticks, which are made outside of the style
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>|\s*<style.*?</style>", "", text, flags=re.DOTALL)
    name = hashlib.sha256(f"{description}{text}".encode()).hexdigest()[:8]
    text = re.sub(r"<[^>]*>", lambda tag: _rewrite(tag[0], name), text)  # tags alone: a label may look like any of this
    label = Markup('<svg role="img" aria-label="{}"').format(visible(description))
    return Markup(text.replace("<svg", label, 1))


def _rewrite(tag: str, name: str) -> str:
    """A tag with ids of its own on the page, and with colours from the page."""
    tag = re.sub(r"\s+xmlns(:xlink)?=\"[^\"]*\"", "", tag)
    tag = re.sub(r"(\bid=\"|xlink:href=\"#|url\(#)", rf"\g<1>p{name}-", tag).replace("xlink:href", "href")
    for variable, (light, _) in COLOURS.items():
        tag = tag.replace(light, f"var(--{variable})")
    return tag


def shown(values: Any, column: Column) -> Any:
    """Values as the tables print them: fractions in percent where the column says so."""
    return np.asarray(values, dtype=float) * (100 if column.percent else 1)


def intervals(cells: pd.DataFrame, column: Column, rows: Sequence[str], references: Sequence[str]) -> Markup:
    """A dot with its interval for every row that has a value; reference rows as open diamonds.

    Args:
        cells: of one column in one condition: `system, mean, low, high`.
    """
    found = [row for row in rows if row in set(cells["system"])]
    figure, (axis,) = new(0.55 + 0.25 * len(found))
    dots(axis, cells, column, found, references)
    axis.set_xlabel(_direction(column))
    return inline(figure, f"{column.title}: mean and interval of each row. The figures are in the table.")


def dots(axis: Axes, cells: pd.DataFrame, column: Column, rows: Sequence[str], references: Sequence[str]) -> None:
    """Draw the rows from top to bottom, with means and intervals along x."""
    by_row = cells.set_index("system").loc[list(rows), ["mean", "low", "high"]]
    for place, (row, values) in enumerate(zip(rows, shown(by_row, column), strict=True)):
        mean, low, high = np.where(np.isnan(values), values[0], values)
        style: dict[str, Any] = {"color": SERIES[0], "fmt": "o"}
        if row in references:
            style = {"color": MUTED, "fmt": "D", "mfc": "none"}
        axis.errorbar(mean, place, xerr=[[mean - low], [high - mean]], ms=5, capsize=2.5, elinewidth=1.4, **style)
    for place, (upper, lower) in enumerate(pairwise(rows)):
        if lower in references and upper not in references:
            axis.axhline(place + 0.5, color=MUTED, linewidth=0.7, linestyle=":")
    axis.set_yticks(range(len(rows)), [plot(row) for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.locator_params(axis="x", nbins=6)
    axis.grid(axis="y", visible=False)


def _direction(column: Column) -> str:
    if column.higher_is_better is None:
        return ""
    return "higher is better \u2192" if column.higher_is_better else "\u2190 lower is better"


def conditions(cells: pd.DataFrame, column: Column, systems: Sequence[str], names: Sequence[str]) -> Markup:
    """Mean and interval of each system in each condition, side by side.

    Args:
        cells: of one column in the conditions `names`.
    """
    found = [system for system in systems if system in set(cells["system"])]
    figure, (axis,) = new(2.7)
    for index, (system, colour, marker) in enumerate(zip(found, cycle(SERIES), cycle(MARKERS), strict=False)):
        own = cells[cells["system"] == system].set_index("condition").reindex(names)
        mean, low, high = shown(own[["mean", "low", "high"]], column).T
        reach = np.nan_to_num([mean - low, high - mean])
        places = np.arange(len(names)) + (index - (len(found) - 1) / 2) * 0.6 / len(found)
        axis.errorbar(
            places, mean, reach, fmt=marker, ms=4.5, color=colour, capsize=2, elinewidth=1.2, label=plot(system)
        )
    axis.set_xticks(range(len(names)), [plot(name) for name in names])
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.grid(axis="x", visible=False)
    _finish(axis, _upward(column))
    return inline(figure, f"{column.title} of each system by condition. The figures are in the tables.")


def _upward(column: Column) -> str:
    if column.higher_is_better is None:
        return ""
    return "\u2191 higher is better" if column.higher_is_better else "\u2193 lower is better"


def _finish(axis: Axes, title: str) -> None:
    """Put the y axis's title above the plot, to save width on a phone, and the legend below."""
    axis.set_title(title, loc="left", fontsize=8.5, color=MUTED)
    with matplotlib.rc_context(STYLE):
        axis.figure.legend(loc="outside lower center", ncols=3, handlelength=1.4, columnspacing=1.2)


def cosines(
    same: Sequence[float], different: Sequence[float], threshold: float, cells: pd.DataFrame, column: Column,
    rows: Sequence[str], references: Sequence[str],
) -> Markup:  # fmt: skip
    """Histograms of the corpus's own cosines with the threshold of equal error rate; below them, the rows' means."""
    found = [row for row in rows if row in set(cells["system"])]
    figure, axes = new(2.2 + 0.25 * len(found), (1.8, 0.01 + 0.25 * len(found)))
    bins = np.linspace(min(*same, *different), max(*same, *different), 33)
    parts = (("different speakers", different, SERIES[1]), ("same speaker", same, SERIES[2]))
    for name, values, colour in parts:
        sns.histplot(
            x=np.asarray(values),
            bins=bins,
            stat="proportion",
            element="step",
            color=colour,
            alpha=0.35,
            label=name,
            ax=axes[0],
        )
    dots(axes[1], cells, column, found, references)
    for axis in axes:
        line = axis.axvline(threshold, color=INK, linewidth=1, linestyle="--")
    line.set_label("threshold")
    axes[0].set_ylabel("")
    axes[1].set_xlabel("cosine")
    _finish(axes[0], "share of pairs")
    return inline(
        figure, f"Cosines of same-speaker and different-speaker pairs, the threshold, and {column.title} of each row."
    )


def bands(errors: Mapping[str, np.ndarray], column: Column) -> Markup:
    """The mean error of each system by mel band; `errors` are (n_mels,)."""
    figure, (axis,) = new(2.7)
    for (system, values), colour, marker in zip(errors.items(), cycle(SERIES), cycle(MARKERS), strict=False):
        axis.plot(
            np.arange(1, len(values) + 1), shown(values, column), color=colour, label=plot(system), linewidth=1.4, marker=marker,
            markevery=max(1, len(values) // 8), ms=4,
        )  # fmt: skip
    axis.set_xlabel("mel band, from low to high")
    _finish(axis, _upward(column))
    return inline(figure, f"{column.title} of each system by mel band.")


def training(log: pd.DataFrame, system: str) -> Markup:
    """A system's loss by step, on training batches and on held-out utterances.

    Args:
        log: `step, total`, and `held_out_total` if there is any.
    """
    figure, (axis,) = new(2.3)
    curves = [("total", "training", "-", "o"), ("held_out_total", "held out", "--", "s")]
    for (key, label, line, marker), colour in zip(curves, SERIES, strict=False):
        if key in log:
            axis.plot(
                log["step"], log[key], line, color=colour, marker=marker, ms=4 if len(log) < 30 else 0, label=label
            )
    axis.set_xlabel("step")
    _finish(axis, "loss")
    return inline(figure, f"Loss of {system} over {int(log['step'].max())} training steps.")
