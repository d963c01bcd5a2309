"""Read a file of answers, in any format, as rows with page and clip."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.listening.answers.key import Key
from vcbench.listening.answers.session import Session, read_session
from vcbench.listening.answers.webmushra import PHP_TYPES, Response, answers, from_php, from_pymushra, number
from vcbench.listening.kinds import ListeningError

PLAIN = ["listener", "item", "system", "rating"]
CELL = ["listener", "page", "clip"]
GIVEN = [*CELL, "session", "position", "rating", "heard", "plays", "shown", "rated", "seconds", "source", "plain"]

FORMATS = (
    "a session of vcbench's page (JSON), a CSV file of webMUSHRA (mushra, paired_comparison, lms, lss), pymushra's TinyDB (JSON) "
    f"or CSV file, or a plain table with the columns {', '.join(PLAIN)}"
)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """The files, and the JSON and CSV files of each folder."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.iterdir() if file.suffix in (".json", ".csv"))
        elif path.is_file():
            yield path
        else:
            raise ListeningError(f"{path} does not exist. Give files of answers, or folders with such files.")


def read_file(path: Path, key: Key) -> list[dict[str, Any]]:
    """Answers as rows of `GIVEN`, without the fields that the format lacks.

    Raises:
        ListeningError: unknown format, or answers to another bundle; the message names the file.
    """
    try:
        rows = _read_json(path, key) if path.suffix == ".json" else _read_csv(path, key)
        return [{**row, "source": path.name} for row in rows]
    except ListeningError as error:
        raise ListeningError(f"{path}: {error}") from error


def _read_json(path: Path, key: Key) -> Iterable[dict[str, Any]]:
    content = path.read_bytes()
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ListeningError(f"it is not valid JSON: {error}.") from error
    tables = [table for table in document.values() if isinstance(table, dict)] if isinstance(document, dict) else []
    if not any(isinstance(trial, dict) and "questionaire" in trial for table in tables for trial in table.values()):
        result = read_session(content)
        key.bundle.check(result)
        return _own(result)
    if key.content["id"] not in document:
        raise ListeningError(f"it has answers to {', '.join(document)}; this is {key.content['id']}.")
    trials = document[key.content["id"]].values()
    return _foreign((from_pymushra(record) for trial in trials for record in _records(trial)), key)


def _records(trial: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A page of pymushra's database, as the rows of its CSV file."""
    page = {f"wm_{name}": value for name, value in trial.items() if name not in ("responses", "questionaire")}
    person = {f"questionaire_{name}": value for name, value in trial["questionaire"].items()}
    for response in trial["responses"]:
        yield {**page, **person, **{f"responses_{name}": value for name, value in response.items()}}


def _own(result: Session) -> Iterator[dict[str, Any]]:
    for answer in result.answers:
        waited = answer.rated - answer.shown if answer.rated and answer.shown else None
        yield {
            "listener": str(result.listener), "session": result.session, "page": answer.page, "clip": answer.clip,
            "position": float(answer.position), "rating": float("nan") if answer.rating is None else float(answer.rating),
            "heard": answer.heard, "plays": answer.plays, "shown": answer.shown, "rated": answer.rated,
            "seconds": waited.total_seconds() if waited is not None else None, "plain": False,
        }  # fmt: skip


def _read_csv(path: Path, key: Key) -> Iterable[dict[str, Any]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListeningError(f"it is not UTF-8 text: {error}.") from error
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ListeningError(f"it is not a table: {error}.") from error
    if set(PLAIN) <= set(table.columns):
        return _plain(table, key)
    if {"wm_testId", "wm_type", "wm_id"} <= set(table.columns):
        return _foreign((from_pymushra(record) for record in table.to_dict("records")), key)
    if "session_test_id" in table.columns and not PHP_TYPES.keys().isdisjoint(table.columns):
        return _foreign(from_php(table), key)
    raise ListeningError(f"its columns are {', '.join(table.columns)}. Allowed: {FORMATS}.")


def _foreign(responses: Iterable[Response], key: Key) -> Iterator[dict[str, Any]]:
    for response in responses:
        if response.test != key.content["id"]:
            raise ListeningError(f"it has answers to {response.test}; this is {key.content['id']}.")
        page = key.page(response.page)
        if page is None:
            raise ListeningError(f"{key.content['id']} has no page {response.page!r}.")
        if page["purpose"] == "training":
            continue
        time = number(response.milliseconds)
        for placed in answers(response, key):
            yield {
                "listener": response.listener, "session": response.session, "page": response.page, "clip": placed.clip,
                "position": placed.position, "rating": placed.rating, "seconds": time / 1000, "plain": False,
            }  # fmt: skip


def _plain(table: pd.DataFrame, key: Key) -> Iterator[dict[str, Any]]:
    """A plain table. For a preference test it also needs the column `page`, because an item has several pairs."""
    if key.kind.clips == "pair" and "page" not in table:
        raise ListeningError(
            "a preference test needs the column page, with the same code in both rows of a comparison."
        )
    clips = {
        (place["trial"], place["role"], place["page"] if key.kind.clips == "pair" else ""): clip
        for clip, place in key.content["clips"].items()
        if key.content["pages"][place["page"]]["purpose"] == "rated"
    }
    pages = table["page"] if key.kind.clips == "pair" else pd.Series("", table.index)
    for listener, item, system, rating, page in zip(*(table[name] for name in PLAIN), pages, strict=True):
        clip = clips.get((item, system, page))
        if clip is None:
            raise ListeningError(
                f"the test has no clip of system {system!r} and item {item!r}{f' on page {page!r}' if page else ''}; its systems "
                f"are {', '.join(key.rows)}."
            )
        own = key.content["clips"][clip]["page"]
        yield {
            "listener": listener, "session": "", "page": own, "clip": clip, "position": float("nan"),
            "rating": number(rating), "plain": True,
        }  # fmt: skip
