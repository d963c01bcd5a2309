"""One table of several runs that differ in the training seed alone: mean and spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from vcbench.api.scores import ALL
from vcbench.base.files import write_text
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.text import markdown_table
from vcbench.run.folder import RunFolder

FIELDS = ["condition", "column", "title", "system", "mean", "deviation", "lowest", "highest", "seeds"]


def over_seeds(boards: Mapping[int, Leaderboard]) -> pd.DataFrame:
    """Mean, standard deviation (n - 1), lowest and highest over seeds of every cell, in the order of the leaderboard.

    Args:
        boards: by seed, of the same systems, columns and trials.
    """
    first = next(iter(boards.values()))
    cells = pd.concat([board.cells for board in boards.values()])
    grouped = cells.groupby(["condition", "column", "system"], sort=False)["mean"]
    table = grouped.agg(mean="mean", deviation="std", lowest="min", highest="max", seeds="count").reset_index()
    table["title"] = [first.columns[name].title for name in table["column"]]
    return table[FIELDS]


def seed_lines(table: pd.DataFrame, seeds: Sequence[int]) -> list[str]:
    """A Markdown table over all conditions: a row per system, mean \u00b1 standard deviation over seeds."""
    pooled = table[table["condition"] == ALL]
    titles = dict(zip(pooled["column"], pooled["title"], strict=True))
    rows = [["system", *titles.values()]]
    for system in dict.fromkeys(pooled["system"]):
        own = pooled[pooled["system"] == system].set_index("column")
        rows.append([str(system), *(_cell(own, name) for name in titles)])
    return [
        f"Mean \u00b1 standard deviation over the training seeds {', '.join(map(str, seeds))}, same trials.",
        "",
        *markdown_table(rows),
    ]


def _cell(own: pd.DataFrame, name: str) -> str:
    if name not in own.index:
        return "\u2013"
    return f"{own.loc[name, 'mean']:.3f} \u00b1 {own.loc[name, 'deviation']:.3f}"


def write_seeds(table: pd.DataFrame, seeds: Sequence[int], files: RunFolder) -> Path:
    """Write seeds.md, and seeds.csv with every condition."""
    write_text(files.seeds("csv"), table.to_csv(index=False))
    write_text(files.seeds("md"), "\n".join(seed_lines(table, seeds)) + "\n")
    return files.seeds("md")
