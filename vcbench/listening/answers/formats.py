"""Read a file of answers, in any format, as rows with page and clip."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.base.cells import read_cells, refuse_doubled
from vcbench.base.escape import brief, names
from vcbench.base.files import place_errors
from vcbench.listening.answers.key import Key
from vcbench.listening.answers.session import Session, read_session
from vcbench.listening.answers.webmushra import (
    PHP_TYPES,
    Response,
    answers,
    from_php,
    from_pymushra,
    from_tinydb,
    number,
)
from vcbench.listening.kinds import ListeningError

PLAIN = ["listener", "item", "system", "rating"]
CELL = ["listener", "page", "clip"]
GIVEN = [
    *CELL,
    "sheet",
    "session",
    "position",
    "rating",
    "heard",
    "plays",
    "shown",
    "rated",
    "seconds",
    "source",
    "plain",
]

FORMATS = (
    "a session of vcbench's page (JSON), a CSV file of webMUSHRA (mushra, paired_comparison, lms, lss), pymushra's TinyDB (JSON) "
    f"or CSV file, or a plain table with the columns {', '.join(PLAIN)}"
)


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """The files, and the JSON and CSV files of each folder."""
    for path in paths:
        with place_errors(path):
            if path.is_dir():
                yield from sorted(file for file in path.iterdir() if file.suffix in (".json", ".csv"))
            elif path.is_file():
                yield path
            else:
                raise ListeningError(f"{path} does not exist. Give files of answers, or folders with such files.")


def read_file(path: Path, key: Key) -> list[dict[str, Any]]:
    """Answers as rows of `GIVEN`, without the fields that the format lacks.

    Raises:
        UserError: unknown format, or answers to another bundle; the message names the file.
    """
    try:
        rows = _read_json(path, key) if path.suffix == ".json" else _read_csv(path, key)
        return [{**row, "source": path.name} for row in rows]
    except ListeningError as error:
        raise ListeningError(f"{path}: {error}") from error


def _read_json(path: Path, key: Key) -> Iterable[dict[str, Any]]:
    content, document = _document(path)
    identity = key.content["id"]
    if isinstance(document, dict) and identity in document:
        return _foreign(from_tinydb(document[identity]), key)
    if isinstance(document, dict) and document and all(isinstance(table, dict) for table in document.values()):
        raise ListeningError(f"it has answers to {names(document)}; this is {identity}. Give the answers to this test.")
    try:
        result = read_session(content)
    except ListeningError as error:
        raise ListeningError(f"{error} Allowed: {FORMATS}.") from error
    key.bundle.check(result)
    return _own(result)


def _document(path: Path) -> tuple[bytes, Any]:
    """A file's bytes, and the JSON in them."""
    try:
        content = path.read_bytes()
        document = json.loads(content)
        json.dumps(document, ensure_ascii=False).encode()  # what is not text could not be printed later
    except UnicodeEncodeError as error:
        raise ListeningError(
            f"it has text that no writing has (the lone surrogate {error.object[error.start]!a}). Correct it, or get the file "
            "again."
        ) from error
    except OSError as error:
        raise ListeningError(f"it cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise ListeningError("it is not valid JSON: it is nested too deeply. Get the file again.") from error
    except ValueError as error:  # of JSON, of its encoding, of numbers with thousands of digits
        raise ListeningError(f"it is not valid JSON: {error}. Get the file again.") from error
    return content, document


def _own(result: Session) -> Iterator[dict[str, Any]]:
    for answer in result.answers:
        waited = answer.rated - answer.shown if answer.rated and answer.shown else None
        yield {
            "listener": result.participant or str(result.listener), "sheet": str(result.listener),
            "session": result.session, "page": answer.page, "clip": answer.clip, "position": float(answer.position),
            "rating": float("nan") if answer.rating is None else float(answer.rating),
            "heard": answer.heard, "plays": answer.plays, "shown": answer.shown, "rated": answer.rated,
            "seconds": waited.total_seconds() if waited is not None else None, "plain": False,
        }  # fmt: skip


def _read_csv(path: Path, key: Key) -> Iterable[dict[str, Any]]:
    header, rows = read_cells(path, ",;\t", strict=False)
    refuse_doubled(path, header)
    table = pd.DataFrame(rows.values(), columns=header, dtype=str).loc[:, [bool(name) for name in header]]
    if set(PLAIN) <= set(header):
        return _plain(table, key)
    if {"wm_testId", "wm_type", "wm_id"} <= set(header):
        return _foreign((from_pymushra(record) for record in table.to_dict("records")), key)
    if "session_test_id" in header and not PHP_TYPES.keys().isdisjoint(header):
        return _foreign(from_php(table), key)
    raise ListeningError(f"its columns are {names(header)}. Allowed: {FORMATS}.")


def _foreign(responses: Iterable[Response], key: Key) -> Iterator[dict[str, Any]]:
    for response in responses:
        if response.test != key.content["id"]:
            raise ListeningError(f"it has answers to {brief(response.test)}; this is {key.content['id']}.")
        page = key.page(response.page)
        if page is None:
            raise ListeningError(f"{key.content['id']} has no page {brief(response.page)!r}.")
        if page["purpose"] == "training":
            continue
        time = number(response.milliseconds, "time")
        for placed in answers(response, key):
            yield {
                "listener": response.listener, "session": response.session, "page": response.page, "clip": placed.clip,
                "position": placed.position, "rating": placed.rating, "seconds": time / 1000, "plain": False,
            }  # fmt: skip


def _plain(table: pd.DataFrame, key: Key) -> Iterator[dict[str, Any]]:
    """A plain table. If pages compare clips it also needs the column `page`, because an item has several pages."""
    compared = key.kind.answer not in ("category", "sliders")
    if compared and "page" not in table:
        raise ListeningError(
            f"a test of the kind {key.test} needs the column page, with the same code in all rows of a page."
        )
    clips = {
        (place["trial"], place["role"], place["page"] if compared else ""): clip
        for clip, place in key.content["clips"].items()
        if key.content["pages"][place["page"]]["purpose"] == "rated"
    }
    pages = table["page"] if compared else pd.Series("", table.index)
    for listener, item, system, rating, page in zip(*(table[name] for name in PLAIN), pages, strict=True):
        clip = clips.get((item, system, page))
        if clip is None:
            raise ListeningError(
                f"the test has no clip of system {brief(system)!r} and item {brief(item)!r}"
                f"{f' on page {brief(page)!r}' if page else ''}; its systems are {', '.join(key.rows)}."
            )
        if not listener:
            raise ListeningError(f"a rating of system {system!r} and item {item!r} names no listener. Add the name.")
        own = key.content["clips"][clip]["page"]
        yield {
            "listener": listener, "session": "", "page": own, "clip": clip, "position": float("nan"),
            "rating": number(rating), "plain": True,
        }  # fmt: skip
