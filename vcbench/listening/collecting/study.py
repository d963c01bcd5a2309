"""A test that a crowd takes: who arrives gets a sheet, and what they send is stored and answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from vcbench.base.state import DamagedFile
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import Session
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.collecting.crowd import NEEDED, Crowd, ending
from vcbench.listening.collecting.files import locked
from vcbench.listening.collecting.identity import Coder, Identity
from vcbench.listening.collecting.register import Person, Register, utc_now
from vcbench.listening.kinds import ListeningError

Reply = dict[str, Any]
Accepted = dict[str, dict[str, list[int]]]  # by trap page and clip


class Forgotten(ListeningError):
    """Somebody whose data were deleted sends again."""


class Study:
    """A bundle, its options for a crowd, and the answers' folder.

    Args:
        traps: the accepted ratings by trap page and clip, of the key; only needed to stop who answers them wrongly.
    """

    def __init__(
        self, bundle: Bundle, results: Path, crowd: Crowd, traps: Accepted, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.bundle, self.crowd, self.traps = bundle, crowd, traps
        self.collection = Collection(results)
        self.register = Register(results, now)
        self.collection.start()
        self.register.start()
        self.coder = Coder(self.register.folder)
        self.register.people()  # a damaged file is told now

    def arrive(self, identity: Identity) -> Reply:
        """Give a participant a sheet, or again the one that they have.

        Returns:
            ``state``: ``working``, ``complete``, ``stopped`` or ``closed``; unless closed also ``participant`` (code) and
            ``listener`` (sheet); at an end ``ending``.

        Raises:
            DamagedFile: their file, or for a newcomer anybody's, is not what was written.
        """
        (reply,) = self.arrive_all([identity])
        if isinstance(reply, DamagedFile):
            raise reply
        return reply

    def arrive_all(self, identities: Iterable[Identity]) -> list[Reply | DamagedFile]:
        """As `arrive`, for several participants in this order, whose files are written together; an error is its own's only."""
        with locked(self.register.arrivals, alone=True), locked(self.register.files, alone=False):
            batch = _Batch(self)
            replies: list[Reply | DamagedFile] = []
            for identity in identities:
                try:
                    replies.append(self._admit(identity, batch))
                except DamagedFile as error:
                    replies.append(error)
            self.register.write_all(batch.people.values())
            return replies

    def _admit(self, identity: Identity, batch: _Batch) -> Reply:
        code = self.coder.code(identity.pid)
        if self.register.has_forgotten(code):
            return {"state": "closed"}
        person = batch.people.get(code) or self.register.find(code)
        if person is None and (person := self._welcome(code, identity, batch)) is None:
            return {"state": "closed"}
        reply = {"participant": code, "listener": person.sheet, **self._state(person)}
        if reply["state"] == "working":
            batch.people[code] = person.model_copy(update={"seen": self.register.now()})
        return reply

    def _welcome(self, code: str, identity: Identity, batch: _Batch) -> Person | None:
        """A newcomer with the sheet that the fewest have, the first of equals; None if there is no place."""
        everybody = {**batch.known, **batch.people}.values()
        taken = self.register.taken(everybody, batch.finished, self.crowd.hold_time)
        if self.crowd.closed or taken.total() >= self.crowd.places(len(self.bundle.sheets)):
            return None
        sheet = min(map(int, self.bundle.sheets), key=lambda number: (taken[number], number))
        now = self.register.now()
        hashed = identity.session and self.coder.code(identity.session, "session")
        return Person(
            code=code, sheet=sheet, pid=identity.pid if self.crowd.plain else None, study=identity.study,
            session=identity.session if self.crowd.plain else hashed, arrived=now, seen=now,
            pages=sum(map(len, self.bundle.sheets[str(sheet)]["rounds"])),
        )  # fmt: skip

    def take(self, result: Session, content: bytes) -> Reply:
        """Store a session; a complete one ends it.

        Returns:
            ``stored`` (the session's checksum), ``state``, and at an end ``ending``.

        Raises:
            Forgotten: their data were deleted.
            ListeningError: nobody with this sheet has arrived.
        """
        code = result.participant or ""
        with locked(self.register.files, alone=False):
            if code and self.register.has_forgotten(code):
                raise Forgotten("The data of this participant were deleted; nothing more is stored.")
            person = self.register.find(code) if code else None
            if person is None or person.sheet != result.listener:
                raise ListeningError(
                    "No participant with this sheet has arrived here. Open the test by its address again."
                )
            if result.ended is not None and result.complete:
                self.collection.add(result, content)
            else:
                self.collection.add_progress(result, content)
            pages = pages_done(result)
            stopped = person.stopped or self._reason(result)
            person = person.model_copy(
                update={"seen": self.register.now(), "done": max(pages, person.done), "stopped": stopped}
            )
            self.register.write(person)
            return {"stored": result.checksum, **self._state(person)}

    def _state(self, person: Person) -> Reply:
        if any(self.collection.folder.glob(f"participant_{person.code}_*.json")):
            return {"state": "complete", "ending": ending(self.crowd.completion)}
        if person.stopped:
            return {"state": "stopped", "ending": ending(self.crowd.screened_out)}
        return {"state": "working"}

    def _reason(self, result: Session) -> str | None:
        """Why a participant must stop."""
        found = result.headphones
        if self.crowd.headphones == "require" and found is not None and found.right < NEEDED[self.crowd.headphone_test]:
            return "headphones"
        if self.crowd.stop_after is not None and wrong_traps(result, self.traps) >= self.crowd.stop_after:
            return "traps"
        return None


class _Batch:
    """Participants who arrive together: `people` by code as they will be written, and what was known before."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self.people: dict[str, Person] = {}

    @cached_property
    def known(self) -> dict[str, Person]:
        return self._study.register.people()

    @cached_property
    def finished(self) -> set[str]:
        return self._study.collection.finished()


def pages_done(result: Session) -> int:
    """How many rated pages have all their ratings."""
    complete: dict[str, bool] = {}
    for answer in result.answers:
        complete[answer.page] = complete.get(answer.page, True) and not answer.untouched
    return sum(complete.values())


def wrong_traps(result: Session, traps: Accepted) -> int:
    """How many trap pages have an answer that the voice did not ask for."""
    wrong = {
        answer.page
        for answer in result.answers
        if answer.page in traps and answer.rating is not None and answer.rating not in traps[answer.page][answer.clip]
    }
    return len(wrong)
