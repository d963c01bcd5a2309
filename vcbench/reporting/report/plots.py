"""The report's plots of what the leaderboard and the logs hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from markupsafe import Markup
from matplotlib.axes import Axes

from vcbench.api.scores import Column
from vcbench.base.escape import plot
from vcbench.base.nouns import counted
from vcbench.reporting.report.style import COLOURS, INK, MUTED, Look, better, bound, finish, inline, new, shown

SAME, DIFFERENT = (COLOURS[name][0] for name in ("series-3", "muted"))


def intervals(cells: pd.DataFrame, column: Column, looks: Mapping[str, Look]) -> Markup:
    """A marker with its interval for every row that has a value.

    Args:
        cells: of one column in one condition: `system, mean, low, high`.
    """
    found = [row for row in looks if row in set(cells["system"])]
    figure, (axis,) = new(0.55 + 0.25 * len(found))
    dots(axis, cells, column, {row: looks[row] for row in found})
    axis.set_xlabel(better(column, "→←"))
    return inline(figure, f"{column.title}: mean and interval of each row. The figures are in the table.")


def dots(axis: Axes, cells: pd.DataFrame, column: Column, looks: Mapping[str, Look]) -> None:
    """Draw the rows from top to bottom, with means and intervals along x."""
    rows = list(looks)
    values = shown(cells.set_index("system").loc[rows, ["mean", "low", "high"]], column)
    for place, (look, (mean, low, high)) in enumerate(zip(looks.values(), values, strict=True)):
        bar(axis, mean, place, look, x=(low, high))
    for place, (upper, lower) in enumerate(pairwise(looks.values())):
        if lower.hollow and not upper.hollow:
            axis.axhline(place + 0.5, color=MUTED, linewidth=0.7, linestyle=":")
    axis.set_yticks(range(len(rows)), [plot(row) for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    bound(axis, column, values)
    axis.locator_params(axis="x", nbins=6)
    axis.grid(axis="y", visible=False)


def bar(
    axis: Axes,
    at: Any,
    height: Any,
    look: Look,
    x: tuple[Any, Any] | None = None,
    y: tuple[Any, Any] | None = None,
    label: str | None = None,
) -> None:
    """A marker with its intervals, or a row's markers; a limit that is NaN, or by rounding on the wrong side, has none."""

    def reach(centre: Any, limits: tuple[Any, Any] | None) -> Any:
        if limits is None:
            return None
        below, above = np.atleast_1d(centre - limits[0]), np.atleast_1d(limits[1] - centre)
        return np.clip(np.nan_to_num([below, above]), 0, None)

    axis.errorbar(
        at, height, fmt=look.marker, ms=5, color=look.colour, mfc="none" if look.hollow else look.colour, capsize=2.5,
        elinewidth=1.3, label=label, xerr=reach(at, x), yerr=reach(height, y),
    )  # fmt: skip


def conditions(cells: pd.DataFrame, column: Column, looks: Mapping[str, Look], names: Sequence[str]) -> Markup:
    """Mean and interval of each system in each condition, side by side.

    Args:
        cells: of one column in the conditions `names`.
    """
    found = {system: look for system, look in looks.items() if system in set(cells["system"]) and not look.hollow}
    figure, (axis,) = new(2.7)
    for index, (system, look) in enumerate(found.items()):
        own = cells[cells["system"] == system].set_index("condition").reindex(names)
        means, lows, highs = shown(own[["mean", "low", "high"]], column).T
        places = np.arange(len(names)) + (index - (len(found) - 1) / 2) * 0.6 / len(found)
        bar(axis, places, means, look, y=(lows, highs), label=plot(system))
    bound(axis, column, shown(cells.loc[cells["system"].isin(list(found)), ["mean", "low", "high"]], column), "y")
    axis.set_xticks(range(len(names)), [plot(name) for name in names])
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.grid(axis="x", visible=False)
    finish(axis, better(column, "↑↓"))
    return inline(figure, f"{column.title} of each system by condition. The figures are in the tables.")


def trade_off(
    cells: pd.DataFrame, across: Column, up: Column, names: tuple[str, str], looks: Mapping[str, Look]
) -> Markup:
    """One column against another, a marker with both intervals for each row that has both.

    Args:
        cells: in one condition: `column, system, mean, low, high`.
        names: keys of `across` and `up`.
    """
    x, y = (cells[cells["column"] == name].set_index("system")[["mean", "low", "high"]] for name in names)
    found = {row: look for row, look in looks.items() if row in x.index and row in y.index}
    figure, (axis,) = new(3.3)
    for row, look in found.items():
        (at, left, right), (height, low, high) = shown(x.loc[row], across), shown(y.loc[row], up)
        bar(axis, at, height, look, (left, right), (low, high), None if look.hollow else plot(row))
        if look.hollow:
            axis.annotate(plot(row), (at, height), (5, 5), textcoords="offset points", fontsize=8, color=MUTED)
    bound(axis, across, shown(x.loc[list(found)], across))
    bound(axis, up, shown(y.loc[list(found)], up), "y")
    axis.set_xlabel(f"{plot(across.title)} {better(across, '→←')}")
    finish(axis, f"{plot(up.title)} {better(up, '↑↓')}")
    return inline(figure, f"{up.title} against {across.title}, with intervals. The figures are in the table.")


def cosines(
    same: Sequence[float], different: Sequence[float], threshold: float, cells: pd.DataFrame, column: Column,
    looks: Mapping[str, Look],
) -> Markup:  # fmt: skip
    """Histograms of the corpus's own cosines with the threshold of equal error rate; below them, the rows' means."""
    found = {row: look for row, look in looks.items() if row in set(cells["system"])}
    figure, axes = new(2.2 + 0.25 * len(found), (1.8, 0.01 + 0.25 * len(found)))
    bins = np.linspace(min(*same, *different), max(*same, *different), 33)
    for name, values, colour in (("different speakers", different, DIFFERENT), ("same speaker", same, SAME)):
        sns.histplot(
            x=np.asarray(values), bins=bins, stat="proportion", element="step", color=colour, alpha=0.35, label=name,
            ax=axes[0],
        )  # fmt: skip
    dots(axes[1], cells, column, found)
    bound(axes[1], column, [*same, *different, threshold, *shown(cells[["mean", "low", "high"]], column).ravel()])
    for axis in axes:
        line = axis.axvline(threshold, color=INK, linewidth=1, linestyle="--")
    line.set_label("threshold")
    axes[0].set_ylabel("")
    axes[1].set_xlabel("cosine")
    finish(axes[0], "share of pairs")
    return inline(
        figure, f"Cosines of same-speaker and different-speaker pairs, the threshold, and {column.title} of each row."
    )


def bands(errors: Mapping[str, np.ndarray], column: Column, centres: np.ndarray, looks: Mapping[str, Look]) -> Markup:
    """The mean error of each system by mel band.

    Args:
        errors: (n_mels,) by system.
        centres: (n_mels,) Hz; if their number differs, bands are numbered.
    """
    figure, (axis,) = new(2.7)
    for system, values in errors.items():
        known = len(values) == len(centres)
        axis.plot(
            centres / 1000 if known else np.arange(1, len(values) + 1), shown(values, column), color=looks[system].colour,
            label=plot(system), linewidth=1.4, marker=looks[system].marker, markevery=max(1, len(values) // 8), ms=4,
        )  # fmt: skip
    axis.set_ylim(bottom=0)
    axis.set_xlabel("centre of the mel band (kHz)" if known else "mel band, from low to high")
    finish(axis, better(column, "↑↓"))
    return inline(figure, f"{column.title} of each system by mel band.")


def training(log: pd.DataFrame, system: str, look: Look) -> Markup:
    """A system's loss by step, on training batches and on held-out utterances.

    Args:
        log: `step, total`, and `held_out_total` if there is any.
    """
    figure, (axis,) = new(2.3)
    for key, label, line, marker in (
        ("total", "training", "-", look.marker),
        ("held_out_total", "held out", "--", "x"),
    ):
        if key in log and log[key].notna().any():
            own = log.dropna(subset=[key])
            axis.plot(
                own["step"], own[key], line, color=look.colour if key == "total" else INK, marker=marker,
                ms=4 if len(own) < 30 else 0, linewidth=1.3, label=label,
            )  # fmt: skip
    axis.set_xlabel("step")
    finish(axis, "loss")
    return inline(figure, f"Loss of {system} over {counted(int(log['step'].max()), 'training step')}.")
