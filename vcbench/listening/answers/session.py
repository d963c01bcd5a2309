"""A listener's session: a JSON document with its own schema, checked against the bundle that it answers.

The page writes it, `listen serve` stores it, the analysis reads it. Times are ISO 8601 in UTC, by the listener's clock.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from vcbench.base.escape import brief
from vcbench.base.settings import Strict
from vcbench.listening.kinds import ListeningError

FORMAT = 1
MAXIMUM_BYTES = 1_000_000  # of one session; 200 clips take about 60 kB
MANY = 1_000_000  # more listeners, clips or plays than there are
CODE = r"^[a-z0-9_-]{1,80}$"


class Answer(Strict):
    """One clip of one page, even if the listener did not reach it.

    Attributes:
        page, clip: codes; the key resolves them.
        position: place on the page from 0; in a preference test 0 is A and 1 is B.
        rating: on the scale of the test (`KINDS`): 1 to 5, 1 to 4, 0 to 100; in a preference test 1 for the chosen clip, 0
            for the other, and 0 for both if there was no preference. ``None``: not rated.
        plays: how many times it was started or switched to.
        heard: whether it was played fully, in one go or in parts.
        shown: when its page was first shown; ``None``: never.
        rated: when the rating last changed.
    """

    page: str = Field(pattern=CODE)
    clip: str = Field(pattern=CODE)
    position: int = Field(ge=0, le=MANY)
    rating: int | None
    plays: int = Field(ge=0, le=MANY)
    heard: bool
    shown: AwareDatetime | None
    rated: AwareDatetime | None

    @property
    def untouched(self) -> bool:
        return self.rating is None

    @model_validator(mode="after")
    def _rated_at_some_time(self) -> Answer:
        if (self.rating is None) != (self.rated is None):
            raise ValueError("rating and rated must both be given or both be null")
        return self


class Headphones(Strict):
    """The last attempt at the headphone test: right answers among its trials, and how many attempts there were."""

    right: int = Field(ge=0, le=MANY)
    trials: int = Field(ge=1, le=MANY)
    attempts: int = Field(ge=1, le=MANY)


class Device(Strict):
    """What the browser says of its audio output: rate in Hz, and channels."""

    rate: int = Field(ge=1, le=MANY)
    channels: int = Field(ge=0, le=MANY)


def canonical(document: dict[str, Any]) -> bytes:
    """JSON with sorted keys, no spaces, and characters unescaped; the page writes the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def checksum(document: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal, of the canonical JSON without the key ``checksum``."""
    return hashlib.sha256(canonical({key: value for key, value in document.items() if key != "checksum"})).hexdigest()


class Session(Strict):
    """One listener's session.

    Attributes:
        bundle: id of the bundle, as in its manifest and key.
        test: key in `KINDS`.
        listener: number of the sheet, from 1.
        session: random id; two documents with the same id are states of the same session.
        language: of the page.
        consented: when the listener agreed to take part.
        ended: ``None`` if the listener left before the end.
        answers: every clip of the sheet in the order of the sheet, including traps and gold clips.
        training: the same for the training pages, which do not count.
        participant: the code of who was given this sheet on arrival; ``None`` if the sheet's number was typed in.
        headphones, device: ``None`` if not tested, or not known.
        checksum: SHA-256, see `checksum`.
    """

    format: Literal[1]
    bundle: str = Field(pattern=CODE)
    test: str = Field(pattern=CODE)
    listener: int = Field(ge=1, le=MANY)
    session: str = Field(pattern=r"^[0-9a-f]{32}$")
    language: str = Field(pattern=r"^[a-z]{2,3}$")
    consented: AwareDatetime
    started: AwareDatetime
    ended: AwareDatetime | None
    answers: list[Answer]
    training: list[Answer]
    participant: str | None = Field(None, pattern=r"^[0-9a-f]{20}$")
    headphones: Headphones | None = None
    device: Device | None = None
    checksum: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def complete(self) -> bool:
        return not any(answer.untouched for answer in self.answers)


def read_session(content: bytes) -> Session:
    """Parse a session.

    Raises:
        ListeningError: not JSON, another schema, or a wrong checksum.
    """
    try:
        result = Session.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = brief(".".join(str(part) for part in first["loc"])) or "the document"
        raise ListeningError(f"This is not a session of a listening test: {where}: {first['msg']}.") from error
    found = checksum(json.loads(content))
    if found != result.checksum:
        raise ListeningError(
            f"The session was changed or damaged: its checksum is {found[:12]}…, but it states {result.checksum[:12]}…. "
            "Ask the listener to download it again."
        )
    return result
