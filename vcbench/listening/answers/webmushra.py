"""Read answers that webMUSHRA's PHP writer or pymushra wrote, as text, so that no code is mistaken for a number.

webMUSHRA writes a CSV file per type of page (`mushra`, `paired_comparison`, `lms`, `lss`); pymushra writes a TinyDB
document per page, and from that a CSV file of all types. All are read as `Response`s, which `answers` assigns to clips.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from vcbench.base.escape import brief
from vcbench.base.escape import names as listed
from vcbench.listening.answers.key import Key
from vcbench.listening.design.design import ANCHOR_35, ANCHOR_70, HIDDEN
from vcbench.listening.design.webmushra import PREFERENCES
from vcbench.listening.kinds import ListeningError

OWN_NAMES = {"reference": HIDDEN, "anchor35": ANCHOR_35, "anchor70": ANCHOR_70}  # clips that webMUSHRA adds itself
NOTHING = {"", "NA", "nan", "NaN", "None", "null", "undefined"}  # how a missing rating is written

PHP_TYPES = {
    "rating_stimulus": "mushra",
    "choice_non_reference": "paired_comparison",
    "stimuli": "likert",
}

CHOICES = {
    "correct": (1.0, 0.0),
    "incorrect": (0.0, 1.0),
    "undecided": (0.0, 0.0),
}  # ratings of the reference and of the other clip


class Response(NamedTuple):
    """An answer about one clip in webMUSHRA's terms, all as text.

    Attributes:
        session: of pymushra or webMUSHRA; empty if the format has none.
        kind: ``mushra``, ``likert`` or ``paired_comparison``.
        stimulus: its name; in a paired comparison, the clip that is not the reference.
        answer: the rating, or a key of `CHOICES`.
    """

    test: str
    listener: str
    session: str
    page: str
    kind: str
    stimulus: str
    answer: str
    milliseconds: str


class Placed(NamedTuple):
    """A clip's rating; `position` is NaN if webMUSHRA shuffled the page."""

    clip: str
    position: float
    rating: float


def from_php(table: pd.DataFrame) -> Iterator[Response]:
    """Rows of a webMUSHRA CSV file; cells are text.

    Raises:
        ListeningError: no `listener_id`, or several ratings of one clip.
    """
    mark = next(name for name in PHP_TYPES if name in table.columns)
    kind = PHP_TYPES[mark]
    ratings = [name for name in table.columns if name.startswith("stimuli_rating")]
    if len(ratings) > 1:
        raise ListeningError(f"it has several ratings of each clip ({listed(ratings)}); only one is allowed.")
    answer = {"mushra": "rating_score", "paired_comparison": "choice_answer", "likert": (ratings or [""])[0]}[kind]
    time = "choice_time" if kind == "paired_comparison" else "rating_time"
    if missing := [name for name in ("listener_id", "trial_id", answer) if name not in table.columns]:
        raise ListeningError(
            f"it has no column {missing[0] or 'stimuli_rating'}. Its columns are {listed(table.columns)}; add the missing one."
        )
    for row in table.to_dict("records"):
        page, session = row["trial_id"], row.get("session_uuid", "")
        yield Response(
            row["session_test_id"],
            whole(row["listener_id"]),
            session,
            page,
            kind,
            row[mark],
            row[answer],
            row.get(time, ""),
        )


class Trial(BaseModel):
    """A page of pymushra's database, with the fields that are read."""

    model_config = ConfigDict(coerce_numbers_to_str=True)
    id: str
    type: str
    testId: str
    questionaire: dict[str, Any]
    responses: list[dict[str, Any]]


DATABASE = TypeAdapter(dict[str, Trial])


def from_tinydb(table: Any) -> Iterator[Response]:
    """The responses of a test in pymushra's database.

    Raises:
        ListeningError: it is not as pymushra writes it; the message says where.
    """
    try:
        trials = DATABASE.validate_python(table)
    except (ValidationError, RecursionError) as error:
        raise ListeningError(f"it is not a database of pymushra: {_first(error)}. Export it again.") from error
    for trial in trials.values():
        page = {"wm_id": trial.id, "wm_type": trial.type, "wm_testId": trial.testId}
        person = {f"questionaire_{name}": value for name, value in trial.questionaire.items()}
        for response in trial.responses:
            yield from_pymushra({**page, **person, **{f"responses_{name}": value for name, value in response.items()}})


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "it is nested too deeply"
    issue = error.errors(include_url=False, include_input=False)[0]
    where = brief(".".join(str(part) for part in issue["loc"])) or "the table of the test"
    return f"{where}: {issue['msg']}"


def from_pymushra(record: Mapping[str, Any]) -> Response:
    """One response of pymushra, with the field names of its CSV file.

    Raises:
        ListeningError: no `listener_id`, or an unknown type of page.
    """
    if "questionaire_listener_id" not in record:
        raise ListeningError("it has no listener_id in its questionnaire, so the sheet is unknown. Add it.")
    text = {name: str(value) for name, value in record.items()}
    kind = "likert" if text["wm_type"].startswith("likert_") else text["wm_type"]
    names = {
        "mushra": ("responses_stimulus", "responses_score"),
        "likert": ("responses_stimulus", "responses_stimulusRating"),
        "paired_comparison": ("responses_nonReference", "responses_answer"),
    }
    if kind not in names:
        raise ListeningError(f"it has a page of type {brief(kind)!r}; allowed: mushra, likert_* and paired_comparison.")
    stimulus, answer = names[kind]
    listener, session = whole(text["questionaire_listener_id"]), text.get("questionaire_uuid", "")
    found = text.get(stimulus, ""), text.get(answer, ""), text.get("responses_time", "")
    return Response(text["wm_testId"], listener, session, text["wm_id"], kind, *found)


def whole(text: str) -> str:
    """The number of a sheet without leading zeros and without the .0 that pandas adds."""
    number = text.strip().removesuffix(".0")
    return number.lstrip("0") or "0" if number.isascii() and number.isdecimal() else number


def answers(response: Response, key: Key) -> list[Placed]:
    """Assign a response to its clip; a preference gives a rating to both clips.

    Raises:
        ListeningError: a stimulus or an answer that the page does not have.
    """
    roles = key.roles(response.page)
    clip = roles.get(OWN_NAMES.get(response.stimulus, ""), response.stimulus)
    if clip not in roles.values():
        raise ListeningError(f"page {response.page} has no clip {brief(clip)!r}.")
    if response.kind == "paired_comparison":
        return _chosen(response, clip, key)
    rating = number(response.answer)
    if key.kind.pairs:
        return _compared(response, rating, key)
    return [Placed(clip, 0.0 if response.kind == "likert" else float("nan"), rating)]


def _compared(response: Response, rating: float, key: Key) -> list[Placed]:
    """Two clips are rated by one answer, in the order of the listener's sheet: 1 chooses the first, 2 the second, 0 neither; a
    comparison rates the second against the first.
    """
    sheet = key.sheet(response.listener) or []
    order = next((shown["order"] for shown in sheet if shown["page"] == response.page), None)
    if order is None:
        raise ListeningError(f"listener {brief(response.listener)}'s sheet has no page {response.page}.")
    if key.kind.answer == "comparison":
        return [
            Placed(clip, place, sign * rating)
            for place, (clip, sign) in enumerate(zip(order, (-1.0, 1.0), strict=True))
        ]
    if rating == rating and rating not in PREFERENCES:
        raise ListeningError(
            f"the answer on page {response.page} is {rating:g}; allowed: 1 (A), 2 (B) and 0 (neither)."
        )
    return [
        Placed(clip, place - 1.0, float(rating == place) if rating == rating else rating)
        for place, clip in enumerate(order, 1)
    ]


def _chosen(response: Response, clip: str, key: Key) -> list[Placed]:
    """A paired comparison names the clip that is not webMUSHRA's reference; the page's other clip is its reference."""
    stimuli = next(page["stimuli"] for page in key.bundle.manifest["pages"] if page["id"] == response.page)
    others = [other for other in stimuli if other != clip]
    if len(others) != 1 or clip not in stimuli:
        raise ListeningError(f"page {response.page} does not compare two clips.")
    unknown = float("nan")
    if response.answer not in {*CHOICES, *NOTHING, "unknown"}:
        raise ListeningError(
            f"the answer on page {response.page} is {brief(response.answer)!r}; allowed: {', '.join(CHOICES)}, unknown."
        )
    reference, own = CHOICES.get(response.answer, (unknown, unknown))
    return [Placed(others[0], unknown, reference), Placed(clip, unknown, own)]


def number(text: str, what: str = "rating") -> float:
    """A rating; NaN if there is none. webMUSHRA pads it (`` 4 ``), pymushra puts it in a list (``[4]``).

    Raises:
        ListeningError: neither a finite number nor a mark for a missing rating.
    """
    bare = text.strip().strip("[]").strip(" '\"")
    if bare in NOTHING:
        return float("nan")
    try:
        found = float(bare)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or "_" in bare:
        raise ListeningError(f"the {what} {brief(text)!r} is not a number. Correct it, or leave it empty.")
    return found
