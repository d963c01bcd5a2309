"""All answers in one long table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.base.escape import csv
from vcbench.base.files import write_text
from vcbench.listening.answers.key import Key
from vcbench.listening.answers.session import Session
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.collecting.register import Person, Register
from vcbench.listening.kinds import ListeningError

COLUMNS = [
    "participant", "pid", "study", "platform_session", "sheet", "session", "ended", "language", "headphones_right",
    "headphones_trials", "training", "page", "clip", "position", "rating", "heard", "plays", "shown", "rated",
]  # fmt: skip
KEY_COLUMNS = ["purpose", "condition", "item", "system"]


def export(results: Path, out: Path, key: Key | None = None) -> int:
    """Write a CSV file with a row for each clip of each session, of the unfinished ones too; return the number of rows.

    Args:
        key: adds what each clip is; without it the table is as blind as the bundle.

    Raises:
        ListeningError: no answers, or a damaged file.
    """
    people = Register(results).people() if (results / "participants").is_dir() else {}
    rows = [row for result in Collection(results).sessions() for row in _rows(result, people, key)]
    if not rows:
        raise ListeningError(f"There are no answers in {results}.")
    table = pd.DataFrame(rows, columns=COLUMNS + (KEY_COLUMNS if key else []))
    write_text(out, csv(table.astype({name: "Int64" for name in ("rating", "headphones_right", "headphones_trials")})))
    return len(table)


def _rows(result: Session, people: dict[str, Person], key: Key | None) -> Iterator[dict[str, Any]]:
    person = people.get(result.participant or "")
    found = result.headphones
    about = {
        "participant": result.participant, "pid": person and person.pid, "study": person and person.study,
        "platform_session": person and person.session, "sheet": result.listener, "session": result.session,
        "ended": result.ended and result.ended.isoformat(), "language": result.language,
        "headphones_right": found and found.right, "headphones_trials": found and found.trials,
    }  # fmt: skip
    for training, answers in ((True, result.training), (False, result.answers)):
        for answer in answers:
            row = about | answer.model_dump(mode="json") | {"training": training}
            yield row | (_meaning(key, answer.page, answer.clip) if key else {})


def _meaning(key: Key, page: str, clip: str) -> dict[str, str]:
    about, place = key.content["pages"][page], key.content["clips"][clip]
    return {
        "purpose": about["purpose"], "condition": about["condition"], "item": place["trial"], "system": place["role"],
    }  # fmt: skip
