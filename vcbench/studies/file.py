"""The study file: a table or figure of a paper as TOML.

    title, source        what it is, and the section or table of the paper
    system               what every cell runs, unless the cell names another
    columns              what is shown: "probe_content", or in one condition "reconstruction_error@seen"
    [[cells]]            label, settings, paper = {column = figure}: a row of the table, with the paper's own figures
    [grid]               setting = [values]: a cell for each combination, named by `grid_label`, e.g. "{alpha}"
    [metrics.NAME]       the metrics that fill the columns, with their options
    [listening.TEST]     a listening test of the recordings, with the options of `vcbench.listening.options`; its rows are cell labels
    [presets.NAME]       laid over that preset, e.g. systems.again_vc.hidden = 64, and over metrics and listening
    presets_of           a study that comes with vcbench, whose [presets] apply here too: what both train is trained once
    [[claims]]           text, cell, column, relation, other: what the paper says, checked by `study_results`
    [[draw]]             a panel of the plot

A claim with "{alpha}" is repeated for each value of that grid setting.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vcbench.base.errors import did_you_mean
from vcbench.base.settings import ConfigError, Strict, merge, read_toml, validate


class CellEntry(Strict):
    label: str
    system: str | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    paper: dict[str, float] = Field(default_factory=dict)


class Claim(Strict):
    """A sentence of the paper as an inequality: `column` of `cell` is below or above that of `other`.

    Attributes:
        cell: the cell, or "A less B": the difference of two, trial by trial.
        other: another cell or a reference row, or the difference of two; a column of the same cell; or a number.
        margin: how far the cell may lie on the wrong side; below zero, how far it must lie on the right one.
    """

    text: str
    source: str = ""
    cell: str
    column: str
    relation: Literal["below", "above"]
    other: float | str
    margin: float = 0.0


class Panel(Strict):
    """A panel: "bars", `y` of every cell, or "curve", `y` over `x`.

    Attributes:
        line: a column whose mean is drawn as a horizontal line, e.g. chance.
        hue: the grid's setting with a curve for each value.
        annotate: the grid's setting shown at each point; by default the cell's label.
    """

    kind: Literal["bars", "curve"]
    y: str
    x: str | None = None
    line: str | None = None
    hue: str | None = None
    annotate: str | None = None


class StudyFile(Strict):
    title: str
    source: str
    system: str | None = None
    columns: tuple[str, ...]
    cells: tuple[CellEntry, ...] = ()
    grid: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    grid_label: str = ""
    metrics: dict[str, dict[str, Any]]
    listening: dict[str, dict[str, Any]] = Field(default_factory=dict)
    presets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    presets_of: str | None = None
    claims: tuple[Claim, ...] = ()
    draw: tuple[Panel, ...] = ()


def names() -> list[str]:
    """The studies that come with vcbench."""
    entries = (path.name for path in (resources.files("vcbench.studies") / "definitions").iterdir())
    return sorted(name.removesuffix(".toml") for name in entries if name.endswith(".toml"))


def read(name: str) -> StudyFile:
    """A study file, by name or path; its `presets` include those of `presets_of`.

    Raises:
        ConfigError: there is no such study, or it has an unknown key or a value of the wrong type.
    """
    values = read_toml(Path(name)) if name.endswith(".toml") else _shipped(name)
    file = validate(StudyFile, values, "")
    if file.presets_of is None:
        return file
    _shipped(file.presets_of)  # refuses a path: that file could refer to itself
    return file.model_copy(update={"presets": merge(read(file.presets_of).presets, file.presets)})


def _shipped(name: str) -> dict[str, Any]:
    if name not in names():
        raise ConfigError(f"There is no study {name!r}.{did_you_mean(name, names())}")
    return tomllib.loads(((resources.files("vcbench.studies") / "definitions") / f"{name}.toml").read_text())
