"""Studies: a study file laid over a preset, checked, and expanded into the cells that are trained."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vcbench.api import registry
from vcbench.api.scores import Column
from vcbench.base.errors import UserError, did_you_mean
from vcbench.base.files import hash_json
from vcbench.base.settings import ConfigError, lay_over, merge, plain_json, validate
from vcbench.listening.design.design import check
from vcbench.listening.kinds import find_kind
from vcbench.listening.options import Options
from vcbench.run import config
from vcbench.run.config import RunConfig
from vcbench.studies.file import CellEntry, Claim, StudyFile, read

CONDITION_SIGN = "@"  # between a column's name and the one condition that it is limited to
LESS_SIGN = " less "  # between two rows whose difference is taken


@dataclass(frozen=True)
class Cell:
    """A row of the table.

    Attributes:
        row: its name in a run; equal settings have the same name in every study, and are trained once.
        settings: resolved, with `system`.
        place: its values for the grid's settings.
        paper: the paper's own figures, by column.
    """

    label: str
    row: str
    settings: dict[str, Any]
    place: dict[str, Any]
    paper: dict[str, float]


@dataclass(frozen=True)
class Study:
    """A study file under a preset.

    Attributes:
        config: that of its runs, except for name and seed.
        listening: options by kind of test; their rows are labels of the table.
    """

    name: str
    file: StudyFile
    preset: str
    cells: tuple[Cell, ...]
    columns: dict[str, Column]
    claims: tuple[Claim, ...]
    config: RunConfig
    listening: dict[str, Options]

    @property
    def needs_recordings(self) -> bool:
        """Whether a metric or a listening test needs recordings, so that the systems must convert."""
        return bool(self.listening) or _need_recordings(self.config.metrics)

    @property
    def rows(self) -> dict[str, str]:
        """The label in the table for each of a run's rows."""
        return {cell.row: cell.label for cell in self.cells} | {name: name for name in self.config.reference_rows}


def resolve(
    name: str, preset: str, files: list[Path] | None = None, assignments: list[str] | None = None, workers: int = 0
) -> Study:
    """Lay a study over a preset, and a user's files and assignments over both; check the result.

    Raises:
        ConfigError: what is wrong in the study file or the settings, before anything is computed.
    """
    try:
        file = read(name)
        return _resolve(file, Path(name).stem, preset, files, assignments, workers)
    except UserError as error:
        raise ConfigError(f"Study {name}: {error}") from error


def _resolve(
    file: StudyFile, name: str, preset: str, files: list[Path] | None, assignments: list[str] | None, workers: int
) -> Study:
    values = merge(config.resolve(preset), {"metrics": file.metrics, "listening": file.listening})
    for known in file.presets:
        _require("presets", known, config.presets())
    values = merge(values, file.presets.get(preset, {}))
    values = lay_over(values, files, assignments)
    listening = dict(_listening(values.pop("listening")))
    cells = tuple(_cells(file, merge(config.named_systems(preset), values["systems"])))
    _check_cells(file, cells)
    for metric in file.metrics:
        _require("metrics", metric, list(values["metrics"]))  # which an assignment may have left out
    metrics = {metric: values["metrics"][metric] for metric in file.metrics}
    columns = _columns(file, metrics)
    own: dict[str, Any] = {"systems": {cell.row: cell.settings for cell in cells}, "metrics": metrics}
    if not (listening or _need_recordings(metrics)):
        own["reference_rows"] = []
    if workers:
        own["workers"] = workers
    study = Study(name, file, preset, cells, columns, tuple(_claims(file)), config.parse(values | own), listening)
    _check_references(study)
    return study


def _need_recordings(metrics: dict[str, dict[str, Any]]) -> bool:
    return any(registry.load("metrics", metric).needs_recordings for metric in metrics)


def _listening(tables: dict[str, dict[str, Any]]) -> Iterator[tuple[str, Options]]:
    for name, table in tables.items():
        test = find_kind(name)
        options = validate(Options, table, f"listening.{name}.")
        check(test, options)
        yield test, options


def _entries(file: StudyFile) -> Iterator[tuple[CellEntry, dict[str, Any]]]:
    """The cells that the file lists, then the grid's, each with its place."""
    yield from ((entry, {}) for entry in file.cells)
    for place in _places(file.grid, list(file.grid)) if file.grid else ():
        settings: dict[str, Any] = {}
        for key, value in place.items():
            settings = merge(settings, _nested(key.split("."), value))
        label = file.grid_label or ", ".join(f"{key} {{{key}}}" for key in place)
        yield CellEntry(label=_fill(label, place), settings=settings), place


def _cells(file: StudyFile, presets: dict[str, Any]) -> Iterator[Cell]:
    for entry, place in _entries(file):
        system = entry.system or file.system
        if system is None:
            raise ConfigError(f"The cell {entry.label!r} names no system, and the study sets no common one.")
        if ".py:" in system:
            system = str(Path(system).expanduser().resolve())
        own = merge(presets.get(system, {}), entry.settings) | {"system": system}
        checked = config.system_config(entry.label, own)
        settings = {"system": system} | (plain_json(checked) if checked else {})
        row = f"{registry.row_name(system)}-{hash_json(settings)[:8]}"
        yield Cell(entry.label, row, settings, place, entry.paper)


def _check_cells(file: StudyFile, cells: tuple[Cell, ...]) -> None:
    if not cells:
        raise ConfigError("It has no cells: write [[cells]], or a [grid] whose settings have at least one value each.")
    labels: dict[str, str] = {}
    for cell in cells:
        if cell.label in labels.values() or cell.label in config.REFERENCE_ROWS:
            raise ConfigError(f"The label {cell.label!r} is taken; every cell needs a different one.")
        if cell.row in labels:
            raise ConfigError(f"The cells {labels[cell.row]!r} and {cell.label!r} have the same settings.")
        labels[cell.row] = cell.label
    systems = sorted({cell.settings["system"] for cell in cells})
    for preset, overlay in file.presets.items():
        for system in overlay.get("systems", {}):
            _require(f"presets.{preset}.systems", system, systems)


def _columns(file: StudyFile, metrics: dict[str, dict[str, Any]]) -> dict[str, Column]:
    known: dict[str, Column] = {}
    for metric, options in metrics.items():
        known |= config.build_metric(metric, options).columns
    for key in file.columns:
        _require("columns", key.partition(CONDITION_SIGN)[0], list(known))
    if not file.columns:
        raise ConfigError(f"columns is empty; the study's metrics have: {', '.join(known)}.")
    return {key: known[key.partition(CONDITION_SIGN)[0]] for key in file.columns}


def _claims(file: StudyFile) -> Iterator[Claim]:
    """Every claim; one that names settings of the grid in braces, once for each of their values."""
    for claim in file.claims:
        named = f"{claim.cell} {claim.other} {claim.text}"
        for place in _places(file.grid, [key for key in file.grid if f"{{{key}}}" in named]):
            other = _fill(claim.other, place) if isinstance(claim.other, str) else claim.other
            filled = {"text": _fill(claim.text, place), "cell": _fill(claim.cell, place), "other": other}
            yield claim.model_copy(update=filled)


def _check_references(study: Study) -> None:
    """Check that claims, papers' figures, panels and listening tests name existing cells and columns."""
    columns, labels = list(study.columns), list(study.rows.values())
    for cell in study.cells:
        for column in cell.paper:
            _require(f"paper figure of {cell.label!r}", column, columns)
    for claim in study.claims:
        _require(f"claim {claim.text!r}, column", claim.column, columns)
        for label in claim.cell.split(LESS_SIGN):
            _require(f"claim {claim.text!r}, cell", label, labels)
        if isinstance(claim.other, str) and claim.other not in columns:
            for label in claim.other.split(LESS_SIGN):
                _require(f"claim {claim.text!r}, other", label, labels + columns)
    for test, options in study.listening.items():
        rows = list(options.rows or labels)
        for row in (*rows, *(options.contrast or ())):
            _require(f"listening.{test}, row", row, labels if row in rows else rows)
        if len({cell.label for cell in study.cells} & set(rows)) < 2:
            raise ConfigError(f"listening.{test} needs at least two cells to compare; its rows are {', '.join(rows)}.")
    for draw in study.file.draw:
        for shown in filter(None, (draw.x, draw.y, draw.line)):
            _require("draw", shown, columns)
        for setting in filter(None, (draw.hue, draw.annotate)):
            _require("draw", setting, list(study.file.grid))
        if draw.kind == "curve" and draw.x is None:
            raise ConfigError(f"draw: the curve of {draw.y!r} needs x, a column.")


def _require(where: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ConfigError(f"{where}: there is no {name!r}.{did_you_mean(name, known)}")


def _places(grid: dict[str, tuple[Any, ...]], keys: list[str]) -> Iterator[dict[str, Any]]:
    """Every combination of the values of `keys`; a single empty one if there are no keys."""
    for values in itertools.product(*(grid[key] for key in keys)):
        yield dict(zip(keys, values, strict=True))


def _fill(text: str, place: dict[str, Any]) -> str:
    for key, value in place.items():
        text = text.replace(f"{{{key}}}", str(value))
    return text


def _nested(keys: list[str], value: Any) -> dict[str, Any]:
    """``["training", "steps"], 5`` -> ``{"training": {"steps": 5}}``."""
    return {keys[0]: _nested(keys[1:], value) if len(keys) > 1 else value}
