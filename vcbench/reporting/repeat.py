"""What a repeated run gave, next to the run that it repeats: figures of the table, weights, versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vcbench.api.scores import ALL, Column
from vcbench.base import escape
from vcbench.base.files import write_text
from vcbench.base.nouns import counted
from vcbench.base.state import find_state, read_state
from vcbench.reporting.text import NOT_MEASURED, markdown_table, number
from vcbench.run.folder import RunError, RunFolder

COMPARED = ("mean", "low", "high", "count", "rank", "unavailable")  # of a cell
TITLES = ("condition", "system", "column", "before", "now")


@dataclass(frozen=True)
class Repetition:
    """How two tables differ.

    Attributes:
        equal: the number of cells that are the same to the last digit.
        different: (condition, system, title, figure before, figure now) of the others.
        clocked: titles of the columns that are left out, because they hold time or memory.
        weights: by system, whether its weights are the same.
        environment: (what, before, now) of versions, device and data that differ.
    """

    equal: int
    different: tuple[tuple[str, str, str, str, str], ...]
    clocked: tuple[str, ...]
    weights: dict[str, bool]
    environment: tuple[tuple[str, str, str], ...]


def require_table(files: RunFolder) -> None:
    """
    Raises:
        RunError: the run has no table to compare with.
    """
    if not (files.leaderboard("json").is_file() and files.manifest.is_file()):
        raise RunError(f"{files.root} has no leaderboard yet: `vcbench run` finishes it, then it can be repeated.")


def compare_tables(before: RunFolder, now: RunFolder) -> Repetition:
    """Compare the published tables of two runs, cell by cell."""
    old, new = _table(before), _table(now)
    columns = {name: Column(**about) for name, about in (old["columns"] | new["columns"]).items()}
    first, second = _cells(old), _cells(new)
    measured = [key for key in (first | second) if not columns[key[2]].clocked]
    differing = [key for key in measured if first.get(key) != second.get(key)]
    remedy = "`vcbench run` makes it again."
    manifests = read_state(before.manifest, remedy), find_state(now.manifest) or {}
    weights = [manifest.get("weights", {}) for manifest in manifests]
    return Repetition(
        len(measured) - len(differing),
        tuple(_difference(key, columns[key[2]], first.get(key), second.get(key)) for key in differing),
        tuple(column.title for column in columns.values() if column.clocked),
        {row: weights[0].get(row) == hashed for row, hashed in weights[1].items()},
        tuple(_environment(*manifests)),
    )


def _table(files: RunFolder) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files.leaderboard("json").read_text())
    return found


Key = tuple[str, str, str]


def _cells(table: dict[str, Any]) -> dict[Key, dict[str, Any]]:
    return {
        (row["condition"], row["system"], row["column"]): {name: row[name] for name in COMPARED}
        for row in table["rows"]
    }


def _difference(
    key: Key, column: Column, first: dict[str, Any] | None, second: dict[str, Any] | None
) -> tuple[str, str, str, str, str]:
    condition, system, _ = key
    shown = [_figure(column, one) for one in (first, second)]
    if shown[0] == shown[1] and first and second:  # the digits that are printed are the same
        shown = [
            ", ".join(f"{name} {one[name]}" for name in COMPARED if first[name] != second[name])
            for one in (first, second)
        ]
    return "all conditions" if condition == ALL else condition, system, column.title, shown[0], shown[1]


def _figure(column: Column, cell: dict[str, Any] | None) -> str:
    if cell is None:
        return NOT_MEASURED
    if cell["mean"] is None:
        return f"n/a: {cell['unavailable']}"
    interval = "" if cell["low"] is None else f" [{number(cell['low'], column)}, {number(cell['high'], column)}]"
    return f"{number(cell['mean'], column)}{interval}"


def _environment(before: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Versions, commit, device, corpus and trials that differ."""
    for package in dict.fromkeys([*before["versions"], *now["versions"]]):
        yield from _differing(package, before["versions"].get(package), now["versions"].get(package))
    for name in ("git_commit", "device"):
        yield from _differing(name.replace("git_", ""), before.get(name), now.get(name))
    for name in ("corpus", "trials"):
        yield from _differing(f"hash of the {name}", before[name]["hash"], now[name]["hash"])


def _differing(what: str, before: str | None, now: str | None) -> Iterator[tuple[str, str, str]]:
    if before != now:
        yield what, before or "not recorded", now or "not recorded"


def sentences(found: Repetition) -> list[str]:
    """What is the same and what is not."""
    total = found.equal + len(found.different)
    lines = [
        f"Of {counted(total, 'cell')} of the table, {found.equal} are equal to the last digit, {len(found.different)} differ."
    ]
    if found.clocked:
        lines.append(f"Left out, because they hold time or memory: {', '.join(found.clocked)}.")
    same = [row for row, equal in found.weights.items() if equal]
    other = [row for row, equal in found.weights.items() if not equal]
    if same:
        lines.append(f"Weights are the same, bit by bit: {', '.join(same)}.")
    if other:
        lines.append(f"Weights differ: {', '.join(other)}.")
    lines += [f"{what}: {before} before, {now} now." for what, before, now in found.environment]
    return [*lines] if found.environment else [*lines, "Versions, commit, device, corpus and trials are the same."]


def write_repetition(found: Repetition, before: RunFolder, now: RunFolder) -> None:
    """Write repeat.md: the sentences, and every cell that differs."""
    lines = [f"# Repetition of {escape.markdown(str(before.root))}", ""]
    lines += [f"{escape.markdown_note(line)}\n" for line in sentences(found)]
    if found.different:
        lines += markdown_table([TITLES, *found.different])
    write_text(now.repeat, "\n".join(lines).rstrip() + "\n")
