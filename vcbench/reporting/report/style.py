"""How the report's plots look: SVG with colours from the page, so that they follow its light and dark theme."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from vcbench.api.scores import Column
from vcbench.base.escape import visible

# CSS variable: colours on a light and on a dark page. Plots are drawn in the first, which the variable then replaces.
# The series begin with those of Okabe and Ito; all can be told apart with any colour blindness, and stand out from the page.
COLOURS = {
    "ink": ("#1b2330", "#e6e9ef"),
    "muted": ("#566070", "#a3adbb"),
    "line": ("#d5dae1", "#39414e"),
    "series-1": ("#0173b2", "#4db2ec"),
    "series-2": ("#d55e00", "#f58a3c"),
    "series-3": ("#02845f", "#2fc79b"),
    "series-4": ("#9326ff", "#a04dff"),
    "series-5": ("#732600", "#f0e442"),
    "series-6": ("#323f4c", "#e6356d"),
    "series-7": ("#cc66ff", "#5a68d0"),
    "series-8": ("#581799", "#d8d8ff"),
}

INK, MUTED, LINE = (COLOURS[name][0] for name in ("ink", "muted", "line"))
SERIES = [name for name in COLOURS if name.startswith("series")]
MARKERS = "os^vPXDp"  # in addition to colours, for readers who cannot tell them apart
WIDTH = 4.0  # inches: fits a phone

STYLE: Any = {
    "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "text.color": INK, "xtick.labelcolor": MUTED, "xtick.color": LINE,
    "ytick.labelcolor": INK, "ytick.color": LINE, "grid.color": LINE, "grid.linewidth": 0.6, "axes.spines.right": False,
    "axes.spines.top": False, "font.size": 9, "axes.labelsize": 9, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5, "legend.frameon": False, "text.parse_math": False, "svg.fonttype": "none",
    "svg.hashsalt": "vcbench",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a row is drawn wherever it appears; `variable` is a key of COLOURS."""

    variable: str
    marker: str
    hollow: bool = False

    @property
    def colour(self) -> str:
        return COLOURS[self.variable][0]


def looks(systems: Sequence[str], references: Sequence[str]) -> dict[str, Look]:
    """A colour and a marker for each system; open diamonds without a colour for all reference rows."""
    found = {
        system: Look(SERIES[index % len(SERIES)], MARKERS[index % len(MARKERS)]) for index, system in enumerate(systems)
    }
    return found | {row: Look("muted", "D", hollow=True) for row in references}


def new(
    height: float, rows: Sequence[float] = (1.0,), columns: int = 1, share: bool = True
) -> tuple[Figure, list[Axes]]:
    """A figure of `height` inches with axes of these relative heights; stacked ones share their x axis."""
    with matplotlib.rc_context(sns.axes_style("whitegrid") | STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(len(rows), columns, sharex=share, squeeze=False, height_ratios=rows).ravel()
    return figure, list(axes)


def inline(figure: Figure, description: str) -> Markup:
    """The figure as an element of an HTML page: without header, with unique ids and colours as CSS variables."""
    buffer = io.StringIO()
    for words in figure.findobj(Text):
        words.set_parse_math(False)  # also in ticks, which are made outside of the style
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, dpi=200, metadata={"Date": None})
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


def bound(axis: Axes, column: Column, values: Any, along: str = "x") -> None:
    """Limits that mean something: no share below 0 or, unless there are such values, above 100%; values that are nearly
    the same are shown from 0.

    Args:
        values: all that is drawn, as `shown` gives them.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    if column.percent:
        near = high - low < 5
        low, high = (min(0.0, low), max(100.0, high)) if near else (low, high)
        room = 0.04 * (high - low)
        limits = (max(low - room, -room if low >= 0 else low - room), high + room)
    elif high - low < 1e-3 * max(abs(low), abs(high), 1e-9):
        limits = (min(0.0, 1.2 * low), max(1.2 * high, 1e-3))
    else:
        room = 0.06 * (high - low)
        limits = (low - room, high + room)
    axis.set(**{f"{along}lim": limits})


def better(column: Column, arrows: str) -> str:
    """Which way is better, in words; `arrows` for higher and for lower values."""
    if column.higher_is_better is None:
        return ""
    return f"{arrows[0]} higher is better" if column.higher_is_better else f"{arrows[1]} lower is better"


def finish(axis: Axes, title: str, columns: int = 3) -> None:
    """Put the y axis's title above the plot, to save width on a phone, and the legend below."""
    axis.set_title(title, loc="left", fontsize=8.5, color=MUTED)
    with matplotlib.rc_context(STYLE):
        axis.figure.legend(loc="outside lower center", ncols=columns, handlelength=1.4, columnspacing=1.2)
