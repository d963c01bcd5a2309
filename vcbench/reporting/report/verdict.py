"""What a run can and cannot tell, in sentences made from its tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from vcbench.api.scores import ALL, Column
from vcbench.base.nouns import counted, verb
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.sanity import broken_order
from vcbench.reporting.text import number
from vcbench.run.run import Run
from vcbench.stats.clusters import FEWEST
from vcbench.stats.scores import LEVEL

NAMED = 4  # most pairs that a sentence lists


@dataclass(frozen=True)
class Verdict:
    """Sentences for the top of the page; `basis` is what the others rest on."""

    basis: str
    can: tuple[str, ...]
    cannot: tuple[str, ...]


def verdict(run: Run, board: Leaderboard, roles: Mapping[str, str]) -> Verdict:
    """
    Args:
        roles: the deciding columns, by role.
    """
    can, cannot, equal = [], [], []
    for name in roles.values():
        pairs = _tested(board, name)
        apart = pairs[pairs["better"] != ""]
        if len(apart):
            can.append(f"{board.columns[name].title}: {_told(board, name, pairs, apart)}")
        if 0 < len(apart) < len(pairs):
            cannot.append(f"{board.columns[name].title}: {_untold(pairs[pairs['better'] == ''], len(pairs))}")
        if len(pairs) and apart.empty:
            equal.append(f"{board.columns[name].title} ({_least(pairs, board.columns[name])})")
    if equal:
        cannot.insert(0, f"No two systems can be told apart in {_listed(equal)}.")
    if len(board.systems) == 1:
        cannot.append("There is one system, so nothing is compared. The reference rows give the scale.")
    return Verdict(_basis(run, board), tuple(can), (*cannot, *_limits(run, board, roles)))


def _sides(run: Run) -> tuple[int, int]:
    return run.trials["source_speaker"].nunique(), run.trials["target_speaker"].nunique()


def _basis(run: Run, board: Leaderboard) -> str:
    sources, targets = _sides(run)
    return (
        f"{_count(len(board.systems), 'system')} on {_count(len(run.trials), 'trial')}: {_count(sources, 'source speaker')}, "
        f"{_count(targets, 'target speaker')}. Differences are tested on common trials at the {1 - LEVEL:.0%} level, with "
        "Holm's correction."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _tested(board: Leaderboard, name: str) -> pd.DataFrame:
    """The pairs of systems that are tested in a column, over all conditions."""
    pairs = board.comparisons[(board.comparisons["condition"] == ALL) & (board.comparisons["column"] == name)]
    return pairs[pairs["p"].notna()]


def _told(board: Leaderboard, name: str, pairs: pd.DataFrame, apart: pd.DataFrame) -> str:
    cells = board.cells[(board.cells["condition"] == ALL) & (board.cells["column"] == name)]
    first = list(cells.loc[cells["rank"] == 1, "system"])
    if len(apart) <= NAMED:
        return f"{'; '.join(_better(pair, board.columns[name]) for pair in apart.itertuples())}."
    if len(first) == 1:
        ahead = f"{first[0]} is better than every other system"
    elif len(first) < cells["rank"].notna().sum():
        ahead = f"{_listed(first)} share the first rank"
    else:
        ahead = "no rank parts the systems, as each has another that cannot be told apart from it"
    return f"{ahead}; {len(apart)} of {counted(len(pairs), 'pair')} {verb(len(apart), 'differs', 'differ')}."


def _better(pair: Any, column: Column) -> str:
    worse = pair.second if pair.better == pair.first else pair.first
    difference = f"{number(abs(pair.difference), column)}{' points' if column.percent else ''}"
    return f"{pair.better} is better than {worse}, by {difference} on {counted(pair.common, 'recording')}"


def _untold(equal: pd.DataFrame, pairs: int) -> str:
    names = [f"{pair.first} and {pair.second}" for pair in equal.itertuples()]
    if len(equal) <= NAMED:
        return f"{'; '.join(names)} cannot be told apart."
    return f"{len(equal)} of {counted(pairs, 'pair')} cannot be told apart."


def _least(pairs: pd.DataFrame, column: Column) -> str:
    """The smallest difference that would have shown, in the middle of the pairs."""
    recordings = counted(pairs["common"].max(), "recording")
    least = pairs["detectable"].dropna().median()
    if pd.isna(least) or not least > 0:
        return recordings
    if column.percent and least > 1:
        return f"{recordings}: too few for any"
    return f"{recordings}; a true difference below about {number(least, column)} would mostly go unseen"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _limits(run: Run, board: Leaderboard, roles: Mapping[str, str]) -> Iterator[str]:
    """What holds for the whole run."""
    if (fewest := min(_sides(run))) < FEWEST:
        yield (
            f"Few speakers ({fewest} on one side; {FEWEST} are the least that intervals and tests can be trusted with): other "
            "speakers may give another order."
        )
    if any(run.files.training_log(row).is_file() for row in run.systems) and not run.files.seeds("csv").is_file():
        yield "Each system was trained once: how much another training seed changes is not in the intervals (vcbench run --seeds)."
    if "naturalness" in roles and "listeners" not in roles:
        yield "Predicted naturalness is a model's guess: no listener was asked (vcbench listen)."
    pooled = board.counts[board.counts["condition"] == ALL]
    for row in pooled[(pooled["failures"] > 0) & pooled["system"].isin(board.systems)].itertuples():
        yield f"{row.system} failed on {row.failures} of {_count(row.trials, 'trial')}: its means are of the others."
    if broken := len(list(broken_order(board))):
        yield f"{_count(broken, 'sanity check')} failed: see Sanity below."
