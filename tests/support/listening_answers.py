"""Answers to a bundle in every format that can be read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.support.listening_helpers import make_session, signed
from vcbench.listening.answers.key import Key
from vcbench.listening.kinds import KINDS


def answered(key: Key, listener: int = 1, session: int = 1) -> dict[str, Any]:
    """A session with different ratings; choices alternate between A and none, or are all A where none is not allowed."""
    document = make_session(key.bundle, listener, session)
    values = KINDS[key.test].values
    for index, answer in enumerate(document["answers"]):
        answer["rating"] = values[index * 3 % len(values)]
    for answer in document["training"]:
        answer["rating"] = values[0]
    pages = groupby([*document["answers"], *document["training"]], lambda answer: answer["page"])
    for number, (_, clips) in enumerate(pages):
        _compare(key, number % 2 == 0, list(clips))
    return document


def _compare(key: Key, even: bool, clips: list[dict[str, Any]]) -> None:
    """Give the clips of a page ratings that are allowed together."""
    if key.kind.answer == "choice":
        chosen = (1, 0) if even or not key.bundle.manifest["no_preference"] else (0, 0)
    elif key.kind.answer == "comparison":
        chosen = (-2, 2) if even else (1, -1)
    elif key.kind.answer == "best-worst":
        chosen = (1, *[0] * (len(clips) - 2), -1)
    else:
        return
    for clip, rating in zip(clips, chosen, strict=True):
        clip["rating"] = rating


def write(folder: Path, *documents: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for place, document in enumerate(documents):
        (folder / f"{place}.json").write_bytes(signed(document))
    return folder


def ratings(table: Any) -> dict[tuple[str, str, str], float]:
    return {
        tuple(cell): rating for *cell, rating in table[["listener", "page", "clip", "rating"]].itertuples(index=False)
    }


def responses(key: Key, document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Page, stimulus and answer, as webMUSHRA records them when the session is entered there."""
    answers = [*document["training"], *document["answers"]]
    for answer in answers:
        role = key.content["clips"][answer["clip"]]["role"]
        if key.kind.pairs:
            if answer["position"] == 0:
                second = next(a for a in answers if a["page"] == answer["page"] and a["position"])
                chosen = 1 if answer["rating"] else 2 if second["rating"] else 0
                stimulus = key.roles(answer["page"]).get("reference", second["clip"])
                yield answer["page"], stimulus, second["rating"] if key.test == "cmos" else chosen
        else:
            yield answer["page"], "reference" if role == "hidden_reference" else answer["clip"], answer["rating"]


def php(key: Key, document: dict[str, Any], path: Path) -> None:
    """Write answers as webMUSHRA's service/write.php does."""
    mushra = key.test == "mushra"
    fields = ["rating_stimulus", "rating_score"] if mushra else ["stimuli_rating", "stimuli"]
    own = ["session_test_id", "listener_id", *(["session_uuid"] if mushra else []), "trial_id", *fields, "rating_time"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*own, "rating_comment"] if mushra else own)
        for page, stimulus, value in responses(key, document):
            start = [key.content["id"], f"{document['listener']:03d}"]
            if mushra:
                writer.writerow([*start, "5f9c", page, stimulus, value, 900, "a, b;\nc"])
            else:
                writer.writerow([*start, page, "NA" if value is None else f" {value} ", stimulus, 900])


def pymushra(key: Key, document: dict[str, Any]) -> dict[str, Any]:
    """Answers as in pymushra's database: numbers instead of text, ratings of single stimuli in a list."""
    person = {"listener_id": document["listener"], "uuid": "0b1c"}
    kind, field = ("mushra", "score") if key.test == "mushra" else ("likert_single_stimulus", "stimulusRating")
    trials = [
        {
            "id": page, "type": kind, "testId": key.content["id"], "config": "c.yaml", "date": "2030-01-02", "questionaire": person,
            "responses": [{"stimulus": stimulus, field: value if kind == "mushra" else [value], "time": 900}],
        }
        for page, stimulus, value in responses(key, document)
    ]  # fmt: skip
    return {key.content["id"]: {str(number): trial for number, trial in enumerate(trials, 1)}}


def webmushra_session(key: Key, document: dict[str, Any]) -> dict[str, Any]:
    """The document that webMUSHRA posts when the session is entered there."""
    kind, field = ("mushra", "score") if key.test == "mushra" else ("likert_single_stimulus", "stimulusRating")
    trials: dict[str, dict[str, Any]] = {}
    for page, stimulus, value in responses(key, document):
        trial = trials.setdefault(page, {"id": page, "type": kind, "responses": [], "testId": key.content["id"]})
        answer = value if kind == "mushra" else [str(value)]
        trial["responses"].append({"stimulus": stimulus, field: answer, "time": 900})
    participant = {"name": ["listener_id"], "response": [f"{document['listener']:03d}"]}
    content = {"testId": key.content["id"], "config": "configs/listener_001.yaml", "participant": participant}
    return {**content, "trials": list(trials.values())}


def pymushra_csv(database: dict[str, Any], path: Path) -> None:
    """Write answers as pymushra's /download does."""
    rows = []
    for trial in next(iter(database.values())).values():
        groups = {"responses": trial["responses"][0], "questionaire": trial["questionaire"]}
        groups["wm"] = {name: value for name, value in trial.items() if name not in groups}
        rows.append({f"{group}_{name}": value for group, fields in groups.items() for name, value in fields.items()})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
