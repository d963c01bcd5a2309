"""Read answers of every format into one table, with the system of each clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.base.escape import brief
from vcbench.base.nouns import counted, verb
from vcbench.listening.answers.formats import CELL, GIVEN, files_of, read_file
from vcbench.listening.answers.key import Key
from vcbench.listening.kinds import ListeningError


@dataclass(frozen=True)
class Reading:
    """All answers of a listening test.

    Attributes:
        table: a row per clip on a listener's sheet, without training: `listener, item` (trial), `system` (row of the run,
            MUSHRA's hidden reference or anchor, or role of a trap or gold clip), `condition, page, clip`, `right` (whether
            the clip is the page's X), `position` (from 0; NaN if unknown), `rating` (NaN: none),
            `heard, plays, shown, rated, seconds` (missing if the format lacks them), `purpose` (``rated``, ``trap`` or
            ``gold``), `session, source`.
        missing: `listener, clips, missing`, for listeners who left clips unrated.
        notes: which answers were dropped, and what is unknown.
    """

    table: pd.DataFrame
    missing: pd.DataFrame
    notes: list[str]


def read(paths: Iterable[Path], key: Key) -> Reading:
    """Read answers; of a folder, its JSON and CSV files.

    Raises:
        ListeningError: no answers, an unknown file format, or answers to another bundle, sheet or scale.
    """
    files = list(files_of(paths))
    given = pd.DataFrame([row for path in files for row in read_file(path, key)], columns=GIVEN)
    if given.empty:
        raise ListeningError(f"There are no answers in {', '.join(map(str, paths))}.")
    _refuse_ratings(given, key)
    given, notes = _without_doubles(given)
    table = _attribute(_complete(given, key), key)
    notes += _unknowns(given, key)
    unrated = table.assign(missing=table["rating"].isna()).groupby("listener", sort=False)["missing"]
    counts = unrated.agg(clips="size", missing="sum").reset_index()
    absent = key.plan.listeners - table["listener"].nunique()
    if absent > 0:
        notes.append(f"{absent} of {counted(key.plan.listeners, 'planned listener')} sent no answers.")
    return Reading(table, counts[counts["missing"] > 0].reset_index(drop=True), notes)


def _refuse_ratings(given: pd.DataFrame, key: Key) -> None:
    low, high = key.content["values"]
    wrong = given[given["rating"].notna() & ~given["rating"].between(low, high)]
    if len(wrong):
        first = wrong.iloc[0]
        raise ListeningError(
            f"{first['source']}: listener {brief(first['listener'])} rated clip {first['clip']} {first['rating']:g}; allowed: "
            f"{low} to {high}."
        )


def _without_doubles(given: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep one state and one session per listener, those with the most ratings (the first of equals), and the first rating
    of each clip.
    """
    notes = []
    states = given.groupby(["listener", "session", "source"], sort=False)["rating"].count().reset_index()
    states = states.sort_values("rating", ascending=False, kind="stable")
    best = states[states["session"] != ""].drop_duplicates("listener")[["listener", "session", "source"]]
    chosen = given.merge(best, on="listener", how="left", suffixes=("", "_best"))
    anonymous = chosen["session"] == ""
    keep = anonymous | ((chosen["session"] == chosen["session_best"]) & (chosen["source"] == chosen["source_best"]))
    for listener, group in states[states["session"] != ""].groupby("listener", sort=False):
        sent = Counter(group["session"])
        if repeated := sum(sent.values()) - len(sent):
            notes.append(
                f"Listener {listener} sent {_times(repeated)} of the same session; the most complete one counts."
            )
        if len(sent) > 1:
            kept = best.set_index("listener").loc[listener, "session"]
            notes.append(
                f"Listener {listener} has {counted(len(sent), 'session')}; the most complete one ({kept[:8]}) counts."
            )
    return _without_repeats(given[keep.to_numpy()], notes)


def _times(count: int) -> str:
    return "one more state" if count == 1 else counted(count, "more state")


def _without_repeats(given: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    repeated = given[given.duplicated(CELL)]
    first = given.drop_duplicates(CELL)
    if len(repeated):
        both = repeated.merge(first, on=CELL, suffixes=("", "_first"))
        changed = int((both["rating"] != both["rating_first"]).sum())
        notes.append(
            f"{counted(len(repeated), 'repeated answer')} {verb(len(repeated), 'was', 'were')} dropped; "
            f"{changed} of them differed from the first, which counts."
        )
    return first, notes


def _complete(given: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Add the unrated clips of every listener's sheet, except for listeners in a plain table.

    A participant of a crowd is a listener whose name is their code; several may have had the same sheet.

    Raises:
        ListeningError: a listener without a sheet, or an answer that is not on the sheet.
    """
    plain = given["plain"].astype(bool)
    expected = [
        (listener, shown["page"], clip)
        for listener in dict.fromkeys(given.loc[~plain, "listener"])
        for shown in _sheet(listener, given, key)
        for clip in shown["order"]
    ]
    cells = set(expected)
    answered = zip(*(given.loc[~plain, name] for name in [*CELL, "source"]), strict=True)
    for listener, page, clip, source in answered:
        if (listener, page, clip) not in cells:
            raise ListeningError(
                f"{source}: listener {listener} rated clip {clip} of page {page}, which is not on their sheet. If they entered the "
                "wrong number, correct it in the file."
            )
    whole = pd.DataFrame(expected, columns=CELL).merge(given[~plain], on=CELL, how="left")
    return pd.concat([part for part in (whole, given[plain]) if len(part)], ignore_index=True)


def _sheet(listener: str, given: pd.DataFrame, key: Key) -> Sequence[dict[str, Any]]:
    row = given[given["listener"] == listener].iloc[0]
    sheet = key.sheet(listener if pd.isna(row["sheet"]) else row["sheet"])
    if sheet is None:
        raise ListeningError(
            f"{row['source']}: there is no listener {brief(listener)!r}; allowed: 1 to {len(key.bundle.sheets)}. Correct the "
            "number in the file."
        )
    return sheet


def _attribute(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Add the item, system, condition and purpose of each clip."""
    places = [key.content["clips"][clip] for clip in table["clip"]]
    pages = [key.content["pages"][page] for page in table["page"]]
    table = table.assign(
        item=[place["trial"] for place in places],
        system=[place["role"] for place in places],
        condition=[page["condition"] for page in pages],
        purpose=[page["purpose"] for page in pages],
        right=[page.get("repeated") == place["role"] for page, place in zip(pages, places, strict=True)],
    )
    order = [
        "listener",
        "item",
        "system",
        "condition",
        "page",
        "clip",
        "right",
        "position",
        "rating",
        "purpose",
        "heard",
        "plays",
    ]
    return table[[*order, "shown", "rated", "seconds", "session", "source"]]


def _unknowns(given: pd.DataFrame, key: Key) -> list[str]:
    foreign_ones = given["heard"].isna()
    notes = []
    if foreign_ones.any() and key.plan.category and key.plan.category.all_heard:
        notes.append("Some files do not say whether clips were played fully; their listeners were not screened for it.")
    if (foreign_ones & ~given["plain"].astype(bool)).any() and key.kind.answer == "sliders":
        notes.append(
            "webMUSHRA's sliders start at 100 and need not be moved: a rating of 100 may mean that the clip was not rated."
        )
    return notes
