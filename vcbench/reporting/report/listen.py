"""What the report's listening section reads: every trial with its recordings, scores and transcripts, column by column.

The page has it as JSON. Lists are by trial, in the order of `trials`, or by row, in the order of `rows`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from vcbench.api.scores import Column
from vcbench.base.escape import visible
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.report.clips import GIVEN, Clip
from vcbench.reporting.report.deciding import HEADINGS
from vcbench.reporting.report.facts import without_roots
from vcbench.reporting.report.style import Look
from vcbench.run.run import Run


def spread(scores: pd.DataFrame, columns: Sequence[str], systems: Sequence[str]) -> pd.DataFrame:
    """By trial in the first of `columns` that has scores of trials: `spread`, largest minus smallest over the systems, and
    `mean`; empty if there is none.
    """
    for name in columns:
        own = scores[(scores["column"] == name) & scores["system"].isin(systems)]
        if len(own):
            found = own.groupby("trial")["value"].agg(["min", "max", "mean"])
            return pd.DataFrame({"spread": found["max"] - found["min"], "mean": found["mean"]})
    return pd.DataFrame(columns=["spread", "mean"], dtype=float)


def choose(trials: pd.DataFrame, table: pd.DataFrame, count: int) -> list[str]:
    """At most `count` trials: in turn the one where systems differ most, the lowest and the highest; then by the list.

    Args:
        table: from `spread`.
    """
    known = table.reindex(trials["trial"])
    by_spread = known["spread"].sort_values(ascending=False, kind="stable").index
    by_mean = known["mean"].sort_values(kind="stable").dropna().index
    turns = [name for three in zip(by_spread, by_mean, by_mean[::-1], strict=False) for name in three]
    return list(dict.fromkeys([*turns, *trials["trial"]]))[:count]


def listening(
    run: Run,
    board: Leaderboard,
    scores: pd.DataFrame,
    roles: Mapping[str, str],
    looks: Mapping[str, Look],
    clips: Mapping[tuple[str, str], Clip],
    only: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The section's data; without rows if no recording is there.

    Args:
        scores: a row per score, with `detail` as JSON text.
        roles: columns that decide; those with scores of trials can be sorted by.
        clips: pictures, and where the page embeds it the audio, by row and trial.
        only: trials to list; by default all.
    """
    trials = run.trials if only is None else run.trials[run.trials["trial"].isin(set(only))]
    names = list(trials["trial"])
    own = scores[scores["trial"].isin(set(names))]
    given = [row for row in GIVEN if row in run.rows or any(where == row for where, _ in clips)]
    rows = [*given, *(row for row in run.rows if row not in given)]
    recordings = {row: _recordings(run, row, names, only is not None, clips) for row in rows}
    if not any(any(found) for found in recordings.values()):
        return {"rows": []}
    texts = [run.utterance(source).text or "" for source in trials["source"]]
    return {
        "rows": [{"name": visible(row), "colour": looks[row].variable if row in looks else "muted"} for row in rows],
        "systems": [rows.index(system) for system in board.systems],
        "trials": names,
        "texts": [visible(text) for text in texts],
        **{key: _indexed(trials.get(key)) for key in ("condition", "sex_pair", "source_speaker", "target_speaker")},
        "recordings": [recordings[row] for row in rows],
        "failures": _failures(run, rows, names),
        "columns": _columns(board, own, roles, rows, names),
        "heard": _heard(own, board.columns, rows, names),
        "said": _said(run, rows, names),
        "clips": _clips(clips, rows, names),
    }


def _indexed(values: pd.Series | None) -> dict[str, list[Any]]:
    """Names once each, and by trial their index."""
    codes, names = pd.factorize(values if values is not None else pd.Series(dtype=str), sort=True)
    return {"names": [visible(str(name)) for name in names], "of": codes.tolist()}


def _recordings(
    run: Run, row: str, names: Sequence[str], embedded: bool, clips: Mapping[tuple[str, str], Clip]
) -> list[str]:
    """By trial the recording's address, relative to the page, or a data URL; empty where there is none."""
    links = {name: clips[row, name].audio for name in names if (row, name) in clips}
    if not embedded and row in run.rows:
        folder = run.files.converted(row)
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        own = {name: f"converted/{quote(row)}/{quote(name)}.flac" for name in names if f"{name}.flac" in there}
        links = own | {name: link for name, link in links.items() if link}
    return [links.get(name, "") for name in names]


def _failures(run: Run, rows: Sequence[str], names: Sequence[str]) -> list[list[Any]]:
    """(row, trial, message) with indices."""
    place = {name: index for index, name in enumerate(names)}
    return [
        [rows.index(one.system), place[one.trial], visible(without_roots(one.error, run))]
        for one in run.failures.itertuples()
        if one.trial in place
    ]


def _grid(table: pd.DataFrame, rows: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """`value` by row and trial (rows, trials); None where there is none."""
    found = np.full((len(rows), len(names)), None, dtype=object)
    known = table[table["system"].isin(rows) & table["trial"].isin(names) & table["value"].notna()]
    known = known.drop_duplicates(["system", "trial"])
    places = (pd.Index(own).get_indexer(known[name]) for own, name in ((rows, "system"), (names, "trial")))
    found[tuple(places)] = known["value"].to_numpy(object)
    return found


def _columns(
    board: Leaderboard, scores: pd.DataFrame, roles: Mapping[str, str], rows: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    """The deciding columns that have scores of trials; shares in percent."""
    found = []
    for role, name in roles.items():
        column, own = board.columns[name], scores[scores["column"] == name]
        if len(own):
            shown = (own["value"] * (100 if column.percent else 1)).round(column.decimals + 1)
            about = {
                "title": visible(HEADINGS.get(role, column.title)),
                "unit": "%" if column.percent else "",
                "decimals": column.decimals,
                "higher": column.higher_is_better,
            }
            found.append(about | {"values": _grid(own.assign(value=shown), rows, names).tolist()})
    return found


def _heard(
    scores: pd.DataFrame, columns: Mapping[str, Column], rows: Sequence[str], names: Sequence[str]
) -> list[list[str | None]]:
    """Transcripts by the recogniser, from the first column that has them; empty if none has."""
    present = set(scores["column"].unique())
    name = next((name for name, about in columns.items() if about.detail == "transcript" and name in present), None)
    if name is None:
        return []
    own = scores[scores["column"] == name]
    own = own.assign(value=[visible(json.loads(detail)["transcript"]) for detail in own["detail"]])
    found: list[list[str | None]] = _grid(own, rows, names).tolist()
    return found


def _said(run: Run, rows: Sequence[str], names: Sequence[str]) -> list[list[str] | None]:
    """By row and trial the spoken words where they are not the source's; None for a row that speaks the source's."""
    found: dict[str, dict[str, str]] = {}
    for one in run.conversions:
        if one.spoken.text and one.spoken.text != one.source.text:
            found.setdefault(one.system, {})[one.trial] = visible(one.spoken.text)
    return [[found[row].get(name, "") for name in names] if row in found else None for row in rows]


def _clips(
    clips: Mapping[tuple[str, str], Clip], rows: Sequence[str], names: Sequence[str]
) -> dict[str, list[list[Any] | None]]:
    """By trial's index, for each row: the mel's address, the wave's peaks, seconds."""
    found: dict[str, list[list[Any] | None]] = {}
    for index, name in enumerate(names):
        own = [clips.get((row, name)) for row in rows]
        if any(own):
            found[str(index)] = [[clip.mel, clip.peaks, round(clip.seconds, 2)] if clip else None for clip in own]
    return found
