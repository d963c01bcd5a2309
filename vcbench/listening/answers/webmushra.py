"""Answers that webMUSHRA's PHP writer or pymushra wrote, read as text: no code is ever taken for a number.

webMUSHRA writes a CSV file per type of page (`mushra`, `paired_comparison`, `lms`, `lss`); pymushra a TinyDB document
per page, and from that a CSV file of all types. All of them are read as `Response`s, which `answers` then gives to clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from vcbench.listening.answers.key import Key
from vcbench.listening.design.design import ANCHOR_35, ANCHOR_70, HIDDEN
from vcbench.listening.design.webmushra import PREFERENCES
from vcbench.listening.kinds import ListeningError

OWN_NAMES = {"reference": HIDDEN, "anchor35": ANCHOR_35, "anchor70": ANCHOR_70}  # what webMUSHRA adds by itself
NOTHING = {"", "NA", "nan", "None", "null", "undefined"}  # how a rating that was not given is written

PHP_TYPES = {
    "rating_stimulus": "mushra",
    "choice_non_reference": "paired_comparison",
    "stimuli": "likert",
}

CHOICES = {"correct": (1.0, 0.0), "incorrect": (0.0, 1.0), "undecided": (0.0, 0.0)}  # ratings of reference and other


class Response(NamedTuple):
    """What was answered of one clip, in webMUSHRA's terms, all as text.

    Attributes:
        session: of pymushra or webMUSHRA; empty where the format has none.
        kind: ``mushra``, ``likert`` or ``paired_comparison``.
        stimulus: its name; in a paired comparison that of the clip that is not the reference.
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
    """A clip's rating; `position` is NaN where webMUSHRA shuffled the page."""

    clip: str
    position: float
    rating: float


def from_php(table: pd.DataFrame) -> Iterator[Response]:
    """Rows of a CSV file of webMUSHRA's; cells are text.

    Raises:
        ListeningError: no `listener_id`, or several ratings of one clip.
    """
    mark = next(name for name in PHP_TYPES if name in table.columns)
    kind = PHP_TYPES[mark]
    ratings = [name for name in table.columns if name.startswith("stimuli_rating")]
    if len(ratings) > 1:
        raise ListeningError(f"it has several ratings of each clip ({', '.join(ratings)}); one is allowed.")
    answer = {"mushra": "rating_score", "paired_comparison": "choice_answer", "likert": (ratings or [""])[0]}[kind]
    time = "choice_time" if kind == "paired_comparison" else "rating_time"
    if missing := [name for name in ("listener_id", "trial_id", answer) if name not in table.columns]:
        raise ListeningError(
            f"it has no column {missing[0] or 'stimuli_rating'}. Its columns are {', '.join(table.columns)}; add the missing one."
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


def from_pymushra(record: Mapping[str, Any]) -> Response:
    """One response of pymushra, its fields named as in its CSV file.

    Raises:
        ListeningError: no `listener_id`, or a type of page that no bundle has.
    """
    if "questionaire_listener_id" not in record:
        raise ListeningError("it has no listener_id in its questionnaire, so nobody knows whose sheet was answered.")
    text = {name: str(value) for name, value in record.items()}
    kind = "likert" if text["wm_type"].startswith("likert_") else text["wm_type"]
    names = {
        "mushra": ("responses_stimulus", "responses_score"),
        "likert": ("responses_stimulus", "responses_stimulusRating"),
        "paired_comparison": ("responses_nonReference", "responses_answer"),
    }
    if kind not in names:
        raise ListeningError(f"it has a page of type {kind!r}; allowed are mushra, likert_* and paired_comparison.")
    stimulus, answer = names[kind]
    listener, session = whole(text["questionaire_listener_id"]), text.get("questionaire_uuid", "")
    found = text.get(stimulus, ""), text.get(answer, ""), text.get("responses_time", "")
    return Response(text["wm_testId"], listener, session, text["wm_id"], kind, *found)


def whole(text: str) -> str:
    """A sheet's number as sheets are numbered: without zeros before it, or the .0 that pandas gives it."""
    number = text.strip().removesuffix(".0")
    return str(int(number)) if number.isdecimal() else number


def answers(response: Response, key: Key) -> list[Placed]:
    """Whose rating a response is; of a preference, both clips' ratings.

    Raises:
        ListeningError: a stimulus or an answer that the page has not.
    """
    roles = key.roles(response.page)
    clip = roles.get(OWN_NAMES.get(response.stimulus, ""), response.stimulus)
    if clip not in roles.values():
        raise ListeningError(f"page {response.page} has no clip {clip!r}.")
    if response.kind == "paired_comparison":
        return _chosen(response, clip, key)
    rating = number(response.answer)
    if key.test == "preference":
        return _preferred(response, rating, key)
    return [Placed(clip, 0.0 if response.kind == "likert" else float("nan"), rating)]


def _preferred(response: Response, rating: float, key: Key) -> list[Placed]:
    """A preference was asked on the target's page: 1 is the first clip of the listener's sheet, 2 the second, 0 neither."""
    sheet = key.sheet(response.listener) or []
    order = next((shown["order"] for shown in sheet if shown["page"] == response.page), None)
    if order is None:
        raise ListeningError(f"listener {response.listener}'s sheet has no page {response.page}.")
    if rating == rating and rating not in PREFERENCES:
        raise ListeningError(f"page {response.page} is answered {rating:g}; allowed are 1 (A), 2 (B) and 0 (neither).")
    return [
        Placed(clip, place - 1.0, float(rating == place) if rating == rating else rating)
        for place, clip in enumerate(order, 1)
    ]


def _chosen(response: Response, clip: str, key: Key) -> list[Placed]:
    """A paired comparison names the clip that is not webMUSHRA's reference; the page's other clip is its reference."""
    stimuli = next(page["stimuli"] for page in key.bundle.manifest["pages"] if page["id"] == response.page)
    others = [other for other in stimuli if other != clip]
    if len(others) != 1 or clip not in stimuli:
        raise ListeningError(f"page {response.page} is no comparison of two clips.")
    unknown = float("nan")
    if response.answer not in {*CHOICES, *NOTHING, "unknown"}:
        raise ListeningError(
            f"page {response.page} is answered {response.answer!r}; allowed: {', '.join(CHOICES)}, unknown."
        )
    reference, own = CHOICES.get(response.answer, (unknown, unknown))
    return [Placed(others[0], unknown, reference), Placed(clip, unknown, own)]


def number(text: str) -> float:
    """A rating; NaN where none was given. webMUSHRA pads it (`` 4 ``), pymushra puts it in a list (``[4]``).

    Raises:
        ListeningError: neither a number nor a sign of none.
    """
    bare = text.strip().strip("[]").strip(" '\"")
    if bare in NOTHING:
        return float("nan")
    try:
        return float(bare)
    except ValueError as error:
        raise ListeningError(f"the rating {text!r} is no number.") from error
