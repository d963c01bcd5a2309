"""The report's plots of single trials' scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
import pandas as pd
import seaborn as sns
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator

from vcbench.api.scores import Column
from vcbench.base.escape import plot
from vcbench.reporting.report.style import INK, LINE, MUTED, Look, better, bound, inline, new, shown

POINTS = 60  # most trials whose scores are points; more are a shape
SPEAKERS = 40  # most on a side of the heat map; more names cannot be read


def distributions(
    scores: pd.DataFrame, column: Column, looks: Mapping[str, Look], zero: str = "", tick: float | None = None
) -> Markup:
    """The trials' scores of each row, one above the other, with medians and quartiles.

    Args:
        scores: of one column: `system, value`, the value as it is plotted but for percent.
        zero: what a value of 0 means; a line marks it.
        tick: the distance of the axis's marks; by default round numbers.
    """
    present = set(scores["system"].unique())
    found = {row: look for row, look in looks.items() if row in present}
    drawn = scores.assign(value=shown(scores["value"], column))
    figure, (axis,) = new(0.7 + 0.33 * len(found))
    palette = {row: look.colour for row, look in found.items()}
    where = {"data": drawn, "x": "value", "y": "system", "hue": "system", "order": list(found), "palette": palette}
    if scores.groupby("system").size().max() <= POINTS:
        _points(axis, drawn, found)
    else:
        sns.violinplot(
            **where, ax=axis, cut=0, inner=None, linewidth=0.8, alpha=0.45, legend=False, density_norm="width"
        )
    _quartiles(axis, [drawn.loc[drawn["system"] == row, "value"].to_numpy() for row in found])
    if zero:
        axis.axvline(0, color=MUTED, linewidth=1, linestyle="--")
    bound(axis, column, np.append(drawn["value"], 0.0 if zero else np.nan))
    axis.set_yticks(range(len(found)), [plot(row) for row in found])
    axis.set(xlabel=zero or better(column, "→←"), ylabel="")
    axis.set_ylim(len(found) - 0.5, -0.5)
    if tick:
        axis.xaxis.set_major_locator(MultipleLocator(tick))
    else:
        axis.locator_params(axis="x", nbins=6)
    axis.grid(axis="y", visible=False)
    return inline(figure, f"{column.title} of single trials: median, quartiles and spread of each row.")


def _points(axis: Axes, drawn: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    """A point for each trial, a little above or below its row; the same in every drawing."""
    random = np.random.default_rng(0)
    for place, (row, look) in enumerate(looks.items()):
        own = drawn.loc[drawn["system"] == row, "value"]
        heights = place + random.uniform(-0.2, 0.2, len(own))
        sns.scatterplot(x=own.to_numpy(), y=heights, color=look.colour, s=14, alpha=0.75, ax=axis, zorder=6)


def _quartiles(axis: Axes, values: Sequence[np.ndarray]) -> None:
    """A thick line between the quartiles and a tick at the median of each row, in front of the points."""
    for place, own in enumerate(values):
        low, middle, high = np.quantile(own, [0.25, 0.5, 0.75])
        axis.plot([low, high], [place, place], color=INK, linewidth=2.2, zorder=7, solid_capstyle="butt")
        axis.plot([middle] * 2, [place - 0.22, place + 0.22], color=INK, linewidth=1.6, zorder=8)


def speaker_pairs(scores: pd.DataFrame, column: Column, systems: Sequence[str]) -> Markup | None:
    """A heat map for each system: the mean of every source speaker (down) and target speaker (across); None if there is only
    one pair, or more speakers than can be read.

    Args:
        scores: of one column: `system, source_speaker, target_speaker, value`.
    """
    drawn = scores[scores["system"].isin(systems)].assign(value=lambda table: shown(table["value"], column))
    means = drawn.groupby(["system", "source_speaker", "target_speaker"], sort=True)["value"].mean()
    sources, targets = (sorted(set(drawn[f"{side}_speaker"].unique()) - {""}) for side in ("source", "target"))
    present = set(drawn["system"].unique())
    found = [system for system in systems if system in present]
    if not found or len(sources) * len(targets) < 2 or max(len(sources), len(targets)) > SPEAKERS:
        return None
    across = 2 if len(found) > 1 else 1
    side = min(0.42 * len(sources) + 1.0, 3.0)
    figure, axes = new(side * ceil(len(found) / across) + 0.4, (1.0,) * ceil(len(found) / across), across, share=False)
    limits = {"vmin": means.min(), "vmax": means.max()}
    for axis, system in zip(axes, found, strict=False):
        grid = means[system].unstack().reindex(index=sources, columns=targets)
        grid.index, grid.columns = ([plot(name) for name in names] for names in (sources, targets))
        few = grid.size <= 36 and across == 1
        sns.heatmap(
            grid, ax=axis, cmap="cividis", cbar=False, rasterized=True, annot=few, fmt=f".{column.decimals}f", **limits
        )
        axis.set_title(plot(system), loc="left", fontsize=8.5)
        axis.tick_params(axis="x", rotation=90, labelsize=6.5)
        axis.tick_params(axis="y", rotation=0, labelsize=6.5)
        axis.set(xlabel="", ylabel="")
    for axis in axes[len(found) :]:
        axis.set_visible(False)
    scale = figure.colorbar(axes[0].collections[0], ax=axes, location="bottom", shrink=0.8, aspect=40)
    scale.set_label(better(column, "→←"), color=MUTED, fontsize=8.5)
    scale.ax.tick_params(labelcolor=MUTED, color=LINE, labelsize=8)
    scale.outline.set_visible(False)
    return inline(figure, f"{column.title} of each pair of speakers, source speakers down, target speakers across.")
