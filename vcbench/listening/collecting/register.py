"""Who has arrived, and with which sheet: one file per participant, from which everything else is derived."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from vcbench.base.files import hash_json
from vcbench.base.settings import Strict
from vcbench.base.state import DamagedFile, read_state
from vcbench.listening.answers.session import canonical
from vcbench.listening.collecting.files import make_folder, store, store_all
from vcbench.listening.kinds import ListeningError

State = Literal["complete", "stopped", "working", "abandoned"]
REMEDY = "Restore it from a copy of the answers' folder; without it, the participant's sheet is unknown."


class Person(Strict):
    """A participant.

    Attributes:
        code: derived from their id.
        sheet: the listener's number.
        pid, study, session: as in `Identity`; with hashed ids `pid` is ``None`` and `session` a code.
        arrived, seen: the first and the last sign of life, by the server's clock.
        done, pages: rated pages that are complete, and all.
        stopped: why they were stopped early; ``None``: they were not.
    """

    code: str
    sheet: int
    pid: str | None
    study: str | None
    session: str | None
    arrived: AwareDatetime
    seen: AwareDatetime
    done: int = Field(0, ge=0)
    pages: int = Field(ge=0)
    stopped: Literal["traps", "headphones"] | None = None


def utc_now() -> datetime:
    return datetime.now(UTC)


class Register:
    """The folder `participants` in the answers' folder; files are read again only if they changed."""

    def __init__(self, results: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.folder = results / "participants"
        self.forgotten = self.folder / "forgotten"
        self.arrivals = self.folder / ".arrivals"  # held by who gives out a sheet
        self.files = self.folder / ".files"  # held alone by who deletes, together by who writes
        self.now = now
        self._known: dict[str, tuple[tuple[int, int, int], Person]] = {}

    def start(self) -> None:
        """Make its folders, before a server writes there."""
        make_folder(self.folder)
        make_folder(self.forgotten)

    def people(self) -> dict[str, Person]:
        """Everybody by code, in order of arrival.

        Raises:
            DamagedFile: a participant's file is not what was written.
        """
        found = {}
        for entry in os.scandir(self.folder):
            if not entry.name.endswith(".json"):
                continue
            about = entry.stat()
            version = (about.st_mtime_ns, about.st_size, about.st_ino)
            known = self._known.get(entry.name)
            if known is None or known[0] != version:
                known = (version, _read(Path(entry.path)))
            found[entry.name] = known
        self._known = found
        people = (person for _, person in found.values())
        return {person.code: person for person in sorted(people, key=lambda one: (one.arrived, one.code))}

    def find(self, code: str) -> Person | None:
        try:
            return _read(self.path(code))
        except FileNotFoundError:
            return None

    def path(self, code: str) -> Path:
        return self.folder / f"{code}.json"

    def write(self, person: Person) -> None:
        store(self.path(person.code), _written(person), replace=True)

    def write_all(self, people: Iterable[Person]) -> None:
        store_all(self.folder, {self.path(person.code).name: _written(person) for person in people})

    def has_forgotten(self, code: str) -> bool:
        return (self.forgotten / f"{code}.json").exists()

    def state(self, person: Person, finished: set[str], hold: timedelta) -> State:
        if person.code in finished:
            return "complete"
        if person.stopped:
            return "stopped"
        return "working" if self.now() - person.seen < hold else "abandoned"

    def taken(self, people: Iterable[Person], finished: set[str], hold: timedelta) -> Counter[int]:
        """By sheet, how many of these people have finished it or are at it."""
        return Counter(
            person.sheet for person in people if self.state(person, finished, hold) in ("complete", "working")
        )


def _written(person: Person) -> bytes:
    content = person.model_dump(mode="json")
    return canonical(content | {"checksum": hash_json(content)})


def _read(path: Path) -> Person:
    try:
        return Person.model_validate_json(canonical(read_state(path, REMEDY)))
    except ValidationError as error:
        raise DamagedFile(f"{path} is damaged, or was written by another vcbench. {REMEDY}") from error


def open_register(results: Path) -> Register:
    """The register of an answers' folder that `listen serve --participants` made.

    Raises:
        ListeningError: it has none.
    """
    if not (results / "participants").is_dir():
        raise ListeningError(
            f"{results} has no participants. Give the folder of answers that `vcbench listen serve --participants` writes."
        )
    return Register(results)
