"""Tables of scores: means with intervals, counts, failures, ranks, in Markdown, CSV, JSON, LaTeX and the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from vcbench.api.scores import ALL, Column, constructed
from vcbench.reporting.speakers import few_speakers
from vcbench.stats.scores import Interval, compare_pairs, ranks, weighted_mean_intervals

if TYPE_CHECKING:
    from vcbench.run.config import RunConfig
    from vcbench.speech.utterance import Corpus

CELL_FIELDS = ["condition", "system", "column", "mean", "low", "high", "count", "rank", "best", "constructed"]
COMPARISON_FIELDS = ["condition", "column", "first", "second", "difference", "low", "high", "p", "p_holm", "better"]


COMPARISON_FIELDS += ["common", "detectable"]


@dataclass(frozen=True)
class Leaderboard:
    """The content of the tables.

    Attributes:
        systems, references: the rows, in order; reference rows are neither ranked nor compared.
        cells: one row per condition, system and column with values: `condition, system, column, mean, low, high, count,
            rank, best, constructed`; `rank` is missing where rows are not ranked, `best` means better than every other system,
            `constructed` a value that the system's structure decides.
        counts: `condition, system, trials, failures`, for the conditions that have trials.
        comparisons: from `vcbench.stats.scores.compare_pairs`, with `condition` and `column`.
        unavailable: by column, why no row has a value.
        notes: (columns, text); without columns the note is about the whole table.
    """

    name: str
    corpus: str
    synthetic: bool
    systems: tuple[str, ...]
    references: tuple[str, ...]
    columns: dict[str, Column]
    cells: pd.DataFrame
    counts: pd.DataFrame
    comparisons: pd.DataFrame
    unavailable: dict[str, str]
    notes: tuple[tuple[tuple[str, ...], str], ...]

    @property
    def conditions(self) -> list[str]:
        """`ALL`, then those with trials, then others that occur in the scores."""
        found = [*self.counts["condition"], *self.cells["condition"]]
        return list(dict.fromkeys([ALL, *found]))


class Tabulated(Protocol):
    """What is tabulated: a run, or several together."""

    @property
    def config(self) -> RunConfig:
        """Only its name and seed are used."""

    @property
    def corpus(self) -> Corpus: ...
    @property
    def systems(self) -> list[str]: ...
    @property
    def rows(self) -> list[str]: ...
    @property
    def outcomes(self) -> pd.DataFrame: ...


def build(
    run: Tabulated,
    scores: pd.DataFrame,
    columns: Mapping[str, Column],
    notes: Iterable[tuple[Sequence[str], str]] = (),
    unavailable: Mapping[str, str] | None = None,
) -> Leaderboard:
    """Tabulate a run's scores, over all conditions and in each.

    Args:
        scores: a row per score: `system, column, trial, condition, value, weight, source_speaker, target_speaker`, and
            `detail` (JSON text) where a column may be `constructed`.
        columns: those of the metrics, in the order of the table.
        notes: (columns, footnote), e.g. model, revision and settings; without columns it is about the whole table.
        unavailable: by column, why it has no values.

    Raises:
        ValueError: a score for a row or column that is not in the table, or a value that is not finite.
    """
    _refuse_unknown(scores, "column", columns)
    _refuse_unknown(scores, "system", run.rows)
    cells, comparisons = _cells(run, scores, columns)
    shown = [name for name, about in columns.items() if not about.exact]
    return Leaderboard(
        name=run.config.name,
        corpus=run.corpus.title,
        synthetic=run.corpus.synthetic,
        systems=tuple(run.systems),
        references=tuple(row for row in run.rows if row not in run.systems),
        columns=dict(columns),
        cells=_stack(cells, CELL_FIELDS),
        counts=_counts(run.outcomes, run.rows),
        comparisons=_stack(comparisons, COMPARISON_FIELDS),
        unavailable=dict(unavailable or {}),
        notes=(*((tuple(about), text) for about, text in notes), *(((), line) for line in few_speakers(scores, shown))),
    )


def _cells(
    run: Tabulated, scores: pd.DataFrame, columns: Mapping[str, Column]
) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Cells and comparisons of every column, over all conditions and in each."""
    cells, comparisons = [], []
    for column, about in columns.items():
        table = scores[scores["column"] == column]
        conditions = [name for name in table["condition"].unique() if name != ALL]
        for condition in [ALL, *conditions] if len(table) else []:
            part = table if condition == ALL else table[table["condition"] == condition]
            made, compared = _column(part, about, run.rows, run.systems, run.config.seed)
            cells.append(made.assign(condition=condition, column=column))
            comparisons.append(compared.assign(condition=condition, column=column))
    return cells, comparisons


def _column(
    table: pd.DataFrame, about: Column, rows: Sequence[str], systems: Sequence[str], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cells and comparisons of one column in one condition."""
    by_row = dict(tuple(table.groupby("system", sort=False)))
    intervals = _intervals(by_row, seed, about.bounds(table["value"]))
    records: list[dict[str, Any]] = [{"system": row, **asdict(intervals[row])} for row in rows if row in by_row]
    given = constructed(table) if about.constructed else []
    compared = [name for name in systems if name in by_row and name not in given]
    comparisons = compare_pairs(table[table["system"].isin(compared)], about.higher_is_better, compared, seed=seed)
    means = {record["system"]: record["mean"] for record in records if record["system"] in compared}
    ranked = {}
    if about.higher_is_better is not None and len(means) > 1 and comparisons["p"].notna().any():
        ranked = ranks(comparisons, means, about.higher_is_better)
    for record in records:
        rank = ranked.get(record["system"])
        record["rank"] = rank
        record["best"] = rank == 1 and sum(other == 1 for other in ranked.values()) == 1
        record["constructed"] = record["system"] in given
    return pd.DataFrame(records), comparisons


def _intervals(by_row: Mapping[str, pd.DataFrame], seed: int, bounds: tuple[float, float]) -> dict[str, Interval]:
    """Each row's mean and interval; those with the same speakers trial by trial are computed together."""
    sides = ["source_speaker", "target_speaker"]
    alike: dict[bytes, list[str]] = {}
    for row, part in by_row.items():
        alike.setdefault(pd.util.hash_pandas_object(part[sides], index=False).to_numpy().tobytes(), []).append(row)
    found: dict[str, Interval] = {}
    for names in alike.values():
        sources, targets = (by_row[names[0]][side].tolist() for side in sides)
        terms = [(by_row[name]["value"], by_row[name]["weight"]) for name in names]
        found |= zip(names, weighted_mean_intervals(terms, sources, targets, seed=seed, bounds=bounds), strict=True)
    return found


def _stack(tables: Sequence[pd.DataFrame], fields: Sequence[str]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True)[list(fields)] if filled else pd.DataFrame(columns=list(fields))


def _counts(outcomes: pd.DataFrame, rows: Sequence[str]) -> pd.DataFrame:
    records = []
    for condition in dict.fromkeys([ALL, *outcomes["condition"].unique()]):
        tried = outcomes if condition == ALL else outcomes[outcomes["condition"] == condition]
        for row in rows:
            own = tried[tried["system"] == row]
            failed = int((own["error"] != "").sum())
            records.append({"condition": condition, "system": row, "trials": len(own), "failures": failed})
    return pd.DataFrame(records, columns=["condition", "system", "trials", "failures"])


def _refuse_unknown(scores: pd.DataFrame, field: str, known: Iterable[str]) -> None:
    unknown = sorted(set(scores[field].unique()) - set(known))
    if unknown:
        raise ValueError(f"Scores for an unknown {field}: {', '.join(unknown)}. Known: {', '.join(known)}.")
