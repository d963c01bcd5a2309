"""What listeners say of a run's systems beside what its metrics predicted: `listening.json` and `listening.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vcbench.files import write_json, write_text
from vcbench.leaderboard_formats import markdown_table
from vcbench.listening.analysis import ALL
from vcbench.listening.analysis_report import records
from vcbench.listening.analysis_run import Analysis
from vcbench.listening.kinds import ListeningError
from vcbench.listening.paragraph import DECIMALS, interval

FILE = "listening.json"
FEWEST = 3  # systems; through two points goes a line


def merge(analysis: Analysis, run: Path) -> None:
    """Add the test to a run's `listening.json`, under the bundle's id, and write `listening.md` anew from all its tests.

    A test has `name, test, decimals`, its `scores` (as in scores.csv) and `correlations`: per column of the leaderboard,
    over the `systems` that have both means, Pearson's and Spearman's.

    Raises:
        ListeningError: the folder has no leaderboard, or one without the test's systems.
    """
    board = _board(analysis, run)
    path = run / FILE
    tests = json.loads(path.read_text(encoding="utf-8"))["tests"] if path.is_file() else {}
    content = analysis.key.content
    tests[content["id"]] = {
        "name": content["name"],
        "test": analysis.key.test,
        "decimals": DECIMALS[analysis.key.test],
        "listeners": analysis.after.listeners,
        "screened": len(analysis.out),
        "scores": records(analysis.after.scores),
        "correlations": records(correlations(analysis, board)),
    }
    write_json(path, {"format": 1, "tests": tests})
    write_text(run / "listening.md", markdown(tests, board))


def _board(analysis: Analysis, run: Path) -> pd.DataFrame:
    """The run's leaderboard over all conditions: `system, column, title, mean`."""
    path = run / "leaderboard.csv"
    if not path.is_file():
        raise ListeningError(f"{run} has no leaderboard.csv. Name the folder of a run that was scored.")
    board = pd.read_csv(path, dtype={"system": str, "column": str})
    if missing := [name for name in analysis.key.content["systems"] if name not in set(board["system"])]:
        raise ListeningError(
            f"The leaderboard of {run} has no {', '.join(missing)}, which listeners rated; it has "
            f"{', '.join(dict.fromkeys(board['system']))}. The test was built of {analysis.key.content['run']}."
        )
    return board[(board["condition"] == ALL) & board["mean"].notna()]


def correlations(analysis: Analysis, board: pd.DataFrame) -> pd.DataFrame:
    """Per column, `column, title, systems, pearson, spearman` of systems' means; NaN for fewer than `FEWEST` systems, or
    where all have one value. Reference rows are left out: they lie far apart and make any metric look good.
    """
    scores = analysis.after.scores
    own = scores[(scores["condition"] == ALL) & scores["system"].isin(analysis.key.content["systems"])]
    heard = own.set_index("system")["mean"]
    found: list[dict[str, Any]] = []
    for column, part in board.groupby("column", sort=False):
        predicted = part.set_index("system")["mean"].reindex(heard.index).dropna()
        pair = predicted.to_numpy(), heard[predicted.index].to_numpy()
        usable = len(predicted) >= FEWEST and min(map(np.ptp, pair)) > 0
        pearson, spearman = (float(f(*pair)[0]) if usable else np.nan for f in (stats.pearsonr, stats.spearmanr))
        title = part["title"].iloc[0]
        found.append(
            {"column": column, "title": title, "systems": len(predicted), "pearson": pearson, "spearman": spearman}
        )
    return pd.DataFrame(found)


def markdown(tests: dict[str, Any], board: pd.DataFrame) -> str:
    """Every test's means beside the leaderboard's, and how they go together."""
    columns = board.drop_duplicates("column").set_index("column")["title"]
    predicted = board.set_index(["system", "column"])["mean"]
    lines = ["# Listened to and predicted", ""]
    for test in tests.values():
        heard = pd.DataFrame(test["scores"])
        heard = heard[heard["condition"] == ALL]
        table = [["system", f"{test['name']} (heard)", *columns]]
        for _, row in heard.iterrows():
            mean = f"{row['mean']:.{test['decimals']}f} {interval(row.fillna(np.nan), test['decimals'])}"
            cells = (predicted.get((row["system"], column)) for column in columns.index)
            table.append([row["system"], mean, *("" if cell is None else f"{cell:.4g}" for cell in cells)])
        for measure in ("pearson", "spearman"):
            by_column = {one["column"]: one[measure] for one in test["correlations"]}
            values = (by_column.get(column) for column in columns.index)
            name = f"*{measure.capitalize()} over systems*"
            table.append([name, "", *("" if value is None else f"{value:.2f}" for value in values)])
        screened = f", {test['screened']} screened" if test["screened"] else ""
        lines += [f"## {test['name']}, {test['listeners']} listeners{screened}", "", *markdown_table(table), ""]
    return "\n".join(lines).rstrip() + "\n"
