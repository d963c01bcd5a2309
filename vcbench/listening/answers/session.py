"""What a listener's session comes back as: a JSON document of its own schema, checked against the bundle it answers.

The page writes it, `listen serve` stores it, the analysis reads it. Times are ISO 8601 in UTC by the listener's clock.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from vcbench.base.settings import Strict
from vcbench.listening.kinds import ListeningError

FORMAT = 1
MAXIMUM_BYTES = 1_000_000  # of one session; 200 clips take about 60 kB
CODE = r"^[a-z0-9_-]{1,80}$"


class Answer(Strict):
    """One clip of one page, whether or not the listener came to it.

    Attributes:
        page, clip: codes; the key says whose they are.
        position: place on the page from 0: in a preference 0 is A and 1 is B.
        rating: on the test's scale (`KINDS`): 1 to 5, 1 to 4, 0 to 100; in a preference 1 for the chosen clip, 0 for the
            other, and 0 for both where there was none. ``None``: never touched, which is no rating.
        plays: how often it was started or switched to.
        heard: whether all of it was heard, in one go or in parts.
        shown: when its page came up first; ``None``: it did not.
        rated: when the rating was last changed.
    """

    page: str = Field(pattern=CODE)
    clip: str = Field(pattern=CODE)
    position: int = Field(ge=0)
    rating: int | None
    plays: int = Field(ge=0)
    heard: bool
    shown: AwareDatetime | None
    rated: AwareDatetime | None

    @property
    def untouched(self) -> bool:
        return self.rating is None

    @model_validator(mode="after")
    def _rated_at_some_time(self) -> Answer:
        if (self.rating is None) != (self.rated is None):
            raise ValueError("a rating has a time, and a time a rating")
        return self


def canonical(document: dict[str, Any]) -> bytes:
    """JSON with keys sorted, no spaces, and letters as they are; the page writes the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def checksum(document: dict[str, Any]) -> str:
    """SHA-256 in hexadecimal of the canonical JSON of all but the key ``checksum``."""
    return hashlib.sha256(canonical({key: value for key, value in document.items() if key != "checksum"})).hexdigest()


class Session(Strict):
    """One listener's session.

    Attributes:
        bundle: id of the bundle, as in its manifest and key.
        test: key in `KINDS`.
        listener: number of the sheet, from 1.
        session: random; two documents of one session are earlier and later states of it.
        language: in which the page was read.
        consented: when the listener agreed to take part.
        ended: ``None`` where the listener left before the end.
        answers: every clip of the sheet in the order it was to be shown, traps and gold clips among them.
        training: the same of the training pages, which count for nothing.
        checksum: SHA-256, see `checksum`.
    """

    format: Literal[1]
    bundle: str = Field(pattern=CODE)
    test: str = Field(pattern=CODE)
    listener: int = Field(ge=1)
    session: str = Field(pattern=r"^[0-9a-f]{32}$")
    language: str = Field(pattern=r"^[a-z]{2,3}$")
    consented: AwareDatetime
    started: AwareDatetime
    ended: AwareDatetime | None
    answers: list[Answer]
    training: list[Answer]
    checksum: str = Field(pattern=r"^[0-9a-f]{64}$")

    @property
    def complete(self) -> bool:
        return not any(answer.untouched for answer in self.answers)


def read_session(content: bytes) -> Session:
    """Parse a session.

    Raises:
        ListeningError: no JSON, another schema, or a checksum that does not fit.
    """
    try:
        result = Session.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ListeningError(f"This is no session of a listening test: {where}: {first['msg']}.") from error
    found = checksum(json.loads(content))
    if found != result.checksum:
        raise ListeningError(
            f"The session was changed or damaged: its checksum is {found[:12]}…, and {result.checksum[:12]}… stands in it. "
            "Ask the listener to download it again."
        )
    return result
