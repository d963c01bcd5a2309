"""Listeners' ratings of a run, as columns of its leaderboard, before the metrics' predictions.

`vcbench listen analyse --run` saves the means in `listening.json` (`vcbench.listening.analysis.publish`); tables and reports
written afterwards include them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from vcbench.api.scores import ALL, Column
from vcbench.base.nouns import counted
from vcbench.base.state import read_state
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.run.run import Run

FEWEST = 3  # systems; two points always lie on a line


def with_ratings(board: Leaderboard, run: Run) -> Leaderboard:
    """The board with a column for each listening test, and a footnote on how its means go with the predicted ones.

    A test of recordings that the run no longer has gets no values, and a note that says so.
    """
    tests = read_ratings(run)
    columns = {f"rating_{name}": replace(Column(**test["column"]), role="listeners") for name, test in tests.items()}
    notes, missing = [], {}
    for column, test in zip(columns, tests.values(), strict=True):
        if changed := replaced(run, test["recordings"]):
            missing[column] = f"listeners rated recordings of {', '.join(changed)} that the run no longer has."
            continue
        board = replace(board, cells=pd.concat([_cells(board, column, test), board.cells], ignore_index=True))
        notes.append(((column,), " ".join([test["note"], *_correlations(board, column)])))
    return replace(
        board,
        columns=columns | board.columns,
        notes=(*notes, *board.notes),
        unavailable=missing | board.unavailable,
    )


def read_ratings(run: Run) -> dict[str, Any]:
    """The listening tests of a run, by their bundle's id."""
    if not run.files.ratings.is_file():
        return {}
    tests: dict[str, Any] = read_state(run.files.ratings, "`vcbench listen analyse --run` makes it again.")["tests"]
    return tests


def replaced(run: Run, recordings: dict[str, dict[str, str]]) -> list[str]:
    """Rows for which the run has other recordings, or none.

    Args:
        recordings: by row and trial, hashes of the recordings that listeners rated.
    """
    there = {(one.system, one.trial): one.audio_hash for one in run.conversions}
    return [
        row
        for row, hashes in recordings.items()
        if any(there.get((row, trial)) != expected for trial, expected in hashes.items())
    ]


def _cells(board: Leaderboard, column: str, test: dict[str, Any]) -> pd.DataFrame:
    """A test's means for the board's rows. They are not ranked here: the test's own analysis compares them."""
    scores = pd.DataFrame(test["scores"])
    own = scores[scores["system"].isin([*board.systems, *board.references])].rename(columns={"ratings": "count"})
    return own.assign(column=column, rank=None, best=False, constructed=False)[list(board.cells.columns)]


def _correlations(board: Leaderboard, column: str) -> Iterator[str]:
    """Correlation of systems' means in a column with those in each main column, over all conditions. Reference rows are left
    out: they lie far apart, which makes any metric look good.
    """
    pooled = board.cells[(board.cells["condition"] == ALL) & board.cells["system"].isin(board.systems)]
    means = pooled.pivot(index="system", columns="column", values="mean").astype(float)
    found = []
    for name, about in board.columns.items():
        pairs = means[[column, name]].dropna() if about.main and name in means else means.iloc[:0]
        if len(pairs) >= FEWEST and min(map(np.ptp, pairs.to_numpy().T)) > 0:
            r, rho = (measure(*pairs.to_numpy().T)[0] for measure in (stats.pearsonr, stats.spearmanr))
            found.append(f"{about.title} {r:.2f}, {rho:.2f} ({counted(len(pairs), 'system')})")
    if found:
        yield f"Correlation of systems' means (Pearson, Spearman) with {'; '.join(found)}."
