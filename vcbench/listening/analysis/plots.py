"""Box plots of ratings, or shares of preference, as SVG and PNG."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vcbench.base.files import whole_file
from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.statistics import ALL, points

STYLE = {"svg.fonttype": "none", "svg.hashsalt": "vcbench", "text.parse_math": False, "font.size": 9}
INK, FILL, SHARES = "#1b2330", "#cfe0f3", ("#2563a8", "#d5dae1", "#c2410c")
WIDTH = 6.0  # inches

TITLES = {
    "mos": "naturalness (1 to 5)", "similarity-mos": "same speaker (1 to 4)", "mushra": "rating (0 to 100)",
    "mushra-like": "rating (0 to 100), not MUSHRA",
}  # fmt: skip


def write(analysis: Analysis, folder: Path) -> None:
    """Write scores.svg and scores.png."""
    with matplotlib.rc_context(sns.axes_style("whitegrid") | STYLE):
        figure = shares(analysis.after.pairs) if analysis.side else boxes(analysis)
        for suffix, metadata in ((".svg", {"Date": None}), (".png", None)):
            with whole_file(folder / f"scores{suffix}") as path:
                figure.savefig(path, dpi=200, metadata=metadata)


def boxes(analysis: Analysis) -> Figure:
    """Box plots (whiskers of 1.5 interquartile ranges, outliers) with the mean and its interval."""
    key = analysis.key
    rated = points(analysis.counted, key.test)
    rows = [row for row in key.rows if row in set(rated["system"])]
    figure, axis = _new(len(rows))
    sns.boxplot(
        rated,
        x="rating",
        y="system",
        order=rows,
        color=FILL,
        linecolor=INK,
        linewidth=1,
        fliersize=3,
        width=0.6,
        ax=axis,
    )
    scores = analysis.after.scores
    pooled = scores[scores["condition"] == ALL].set_index("system").loc[rows]
    reach = np.nan_to_num(np.abs(pooled[["low", "high"]].to_numpy().T - pooled["mean"].to_numpy()))
    axis.errorbar(pooled["mean"], range(len(rows)), xerr=reach, fmt="D", ms=4, color=SHARES[2], capsize=3, zorder=5)
    axis.set(xlabel=TITLES[key.content["name"]], ylabel="", xlim=_limits(key.content["values"]))
    return figure


def shares(pairs: pd.DataFrame) -> Figure:
    """For each pair, how often the first, neither, or the second was chosen."""
    figure, axis = _new(len(pairs))
    left = np.zeros(len(pairs))
    for name, colour in zip(("first", "none", "second"), SHARES, strict=True):
        share = 100 * pairs[f"chose_{name}"].to_numpy()
        axis.barh(range(len(pairs)), share, left=left, color=colour, height=0.6)
        for place in map(int, np.flatnonzero(share >= 5)):
            text = f"{share[place]:.0f}"
            axis.text(
                left[place] + share[place] / 2,
                place,
                text,
                ha="center",
                va="center",
                color=INK if name == "none" else "w",
            )
        left += share
    axis.set_yticks(range(len(pairs)), pairs["first"])
    axis.axvline(50, color=INK, linewidth=0.8, linestyle="--")
    axis.set(xlabel="% of comparisons: first, none, second", xlim=(0, 100), ylim=(len(pairs) - 0.5, -0.5))
    axis.secondary_yaxis("right").set_yticks(range(len(pairs)), pairs["second"])
    axis.grid(visible=False)
    return figure


def _new(rows: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, 0.8 + 0.35 * rows), layout="constrained")
    return figure, figure.subplots()


def _limits(values: list[int]) -> tuple[float, float]:
    margin = 0.03 * (values[1] - values[0])
    return values[0] - margin, values[1] + margin
