"""Box plots of ratings, or shares of preference, as SVG and PNG."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from vcbench.base.files import whole_file
from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.letters import display
from vcbench.listening.analysis.statistics import ALL, points
from vcbench.listening.analysis.wording import WORDINGS

STYLE = {"svg.fonttype": "none", "svg.hashsalt": "vcbench", "text.parse_math": False, "font.size": 9}
INK, FILL, SHARES = "#1b2330", "#cfe0f3", ("#2563a8", "#d5dae1", "#c2410c")
WIDTH = 6.0  # inches

SHORT = 20  # rows; of more, each is lower


def write(analysis: Analysis, folder: Path) -> None:
    """Write scores.svg and scores.png."""
    with matplotlib.rc_context(sns.axes_style("whitegrid") | STYLE):
        figure = _figure(analysis)
        for suffix, metadata in ((".svg", {"Date": None}), (".png", None)):
            with whole_file(folder / f"scores{suffix}") as path:
                figure.savefig(path, dpi=200, metadata=metadata)


def _figure(analysis: Analysis) -> Figure:
    kind = analysis.key.kind
    if kind.answer in ("category", "sliders"):
        return boxes(analysis)
    if kind.answer == "choice" and not kind.discriminates and len(analysis.after.pairs):
        return shares(analysis.after.pairs)
    return means(analysis)


def _pooled(analysis: Analysis) -> pd.DataFrame:
    """The scores over all conditions, the best first."""
    scores = analysis.after.scores
    return scores[scores["condition"] == ALL].sort_values("mean", ascending=False, kind="stable").set_index("system")


def boxes(analysis: Analysis) -> Figure:
    """Box plots (whiskers of 1.5 interquartile ranges, outliers) with the mean and its interval."""
    pooled = _pooled(analysis)
    figure, axis = _new(len(pooled))
    sns.boxplot(
        points(analysis.counted, analysis.key.test), x="rating", y="system", order=list(pooled.index), color=FILL,
        linecolor=INK, linewidth=1, fliersize=3, width=0.6, ax=axis,
    )  # fmt: skip
    _intervals(axis, pooled)
    axis.set_ylim(len(pooled) - 0.5, -0.5)
    _label(axis, analysis, analysis.key.content["values"])
    return figure


def means(analysis: Analysis) -> Figure:
    """The mean of each row and its interval."""
    pooled = _pooled(analysis)
    figure, axis = _new(len(pooled))
    _intervals(axis, pooled)
    axis.set_yticks(range(len(pooled)), list(pooled.index))
    axis.set_ylim(len(pooled) - 0.5, -0.5)
    axis.axvline(0.5 if analysis.key.kind.discriminates else 0, color=INK, linewidth=0.8, linestyle="--")
    _label(axis, analysis, analysis.key.content["values"])
    if analysis.key.kind.discriminates:
        axis.xaxis.set_major_formatter(PercentFormatter(1, symbol=""))
    return figure


def _intervals(axis: Axes, pooled: pd.DataFrame) -> None:
    reach = np.abs(pooled[["low", "high"]].to_numpy().T - pooled["mean"].to_numpy())
    axis.errorbar(
        pooled["mean"], range(len(pooled)), xerr=np.nan_to_num(reach), fmt="D", ms=4, color=SHARES[2], capsize=3, zorder=5
    )  # fmt: skip


def _label(axis: Axes, analysis: Analysis, values: list[int]) -> None:
    """The scale at the bottom, and at the right the letters of many systems."""
    axis.set(xlabel=WORDINGS[analysis.key.content["name"]].axis, ylabel="", xlim=_limits(values))
    shown = display(analysis)
    if shown:
        names = [shown.get(row, "") for row in _pooled(analysis).index]
        right = axis.secondary_yaxis("right")
        right.set_yticks(range(len(names)), names)
        right.tick_params(length=0)


def shares(pairs: pd.DataFrame) -> Figure:
    """For each pair, how often the first, neither, or the second was chosen."""
    figure, axis = _new(len(pairs))
    left = np.zeros(len(pairs))
    for name, colour in zip(("first", "none", "second"), SHARES, strict=True):
        share = 100 * pairs[f"chose_{name}"].to_numpy()
        axis.barh(range(len(pairs)), share, left=left, color=colour, height=0.6)
        ink = INK if name == "none" else "w"
        for place in map(int, np.flatnonzero(share >= 5)):
            axis.text(left[place] + share[place] / 2, place, f"{share[place]:.0f}", ha="center", va="center", color=ink)
        left += share
    axis.set_yticks(range(len(pairs)), pairs["first"])
    axis.axvline(50, color=INK, linewidth=0.8, linestyle="--")
    axis.set(xlabel="% of comparisons: first, none, second", xlim=(0, 100), ylim=(len(pairs) - 0.5, -0.5))
    axis.secondary_yaxis("right").set_yticks(range(len(pairs)), pairs["second"])
    axis.grid(visible=False)
    return figure


def _new(rows: int) -> tuple[Figure, Axes]:
    """A figure that grows with its rows."""
    figure = Figure(figsize=(WIDTH, 0.8 + (0.35 if rows <= SHORT else 0.22) * rows), layout="constrained")
    return figure, figure.subplots()


def _limits(values: list[int]) -> tuple[float, float]:
    margin = 0.03 * (values[1] - values[0])
    return values[0] - margin, values[1] + margin
