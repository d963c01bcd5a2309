"""A folder of sessions, one JSON file each: complete ones at the top, the latest state of the others in `progress`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from vcbench.listening.answers.session import Session, read_session
from vcbench.listening.collecting.files import make_folder, store
from vcbench.listening.kinds import ListeningError

PARTICIPANT = "participant_"  # prefix of a session of a participant; the others have a listener's number


class Collection:
    """Sessions, as received; a file is never overwritten, and the same session sent twice is one file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.progress = folder / "progress"

    def start(self) -> None:
        """Make its folders, before a server writes there.

        Raises:
            PlaceError: there can be no such folder.
        """
        make_folder(self.folder)
        if self.progress.is_dir():
            make_folder(self.progress)

    def add(self, result: Session, content: bytes) -> None:
        """Store a session durably."""
        who = f"{PARTICIPANT}{result.participant}" if result.participant else f"listener_{result.listener:03d}"
        store(self.folder / f"{who}_{result.session}_{result.checksum[:16]}.json", content)
        if result.participant:
            self._drop(result, before=None)

    def add_progress(self, result: Session, content: bytes) -> None:
        """Store the state of an unfinished session durably, then remove its earlier ones; one that is too late is ignored."""
        if any(self.folder.glob(f"{PARTICIPANT}{result.participant}_{result.session}_*.json")):
            return
        name = f"{result.participant}_{result.session}_{_rank(result)}.json"
        self.progress.mkdir(exist_ok=True)
        store(self.progress / name, content)
        self._drop(result, before=name)

    def _drop(self, result: Session, before: str | None) -> None:
        """Remove the states of a participant's session that were earlier than the one with this name, or all of them."""
        for path in self.progress.glob(f"{result.participant}_{result.session}_*.json"):
            if before is None or path.name < before:
                path.unlink(missing_ok=True)

    def finished(self) -> set[str]:
        """Codes of the participants who have sent a complete session."""
        return {path.name.split("_")[1] for path in self.folder.glob(f"{PARTICIPANT}*.json")}

    def of(self, code: str) -> list[Path]:
        """All files of one participant."""
        return [*self.folder.glob(f"{PARTICIPANT}{code}_*.json"), *self.progress.glob(f"{code}_*.json")]

    def sessions(self) -> Iterator[Session]:
        """Every complete session, and of each other one the state with the most ratings.

        Raises:
            ListeningError: no such folder, or a damaged file in it.
        """
        if not self.folder.is_dir():
            raise ListeningError(
                f"{self.folder} is not a folder. Give the folder of answers that `vcbench listen serve` writes."
            )
        complete = sorted(self.folder.glob("*_*_*.json"))
        done = {path.name.rsplit("_", 2)[1] for path in complete}
        begun = dict.fromkeys(path.name.split("_")[1] for path in sorted(self.progress.glob("*_*_*.json")))
        yield from map(_read, complete)
        for session in begun:
            if session not in done:
                yield from self._latest(session)

    def _latest(self, session: str) -> Iterator[Session]:
        """The latest state of a session; none if it is gone."""
        while states := sorted(self.progress.glob(f"*_{session}_*.json")):
            with suppress(FileNotFoundError):  # the server has a newer one by now
                yield _read(states[-1])
                return


def _read(path: Path) -> Session:
    try:
        return read_session(path.read_bytes())
    except ListeningError as error:
        raise ListeningError(f"{path}: {error}") from error


def _rank(result: Session) -> str:
    """Sorts the states of a session, whatever order they arrive in: by ratings, by the last change of one, then by arrival."""
    times = [answer.rated for answer in (*result.training, *result.answers) if answer.rated is not None]
    latest = max(times).timestamp() if times else 0.0
    return f"{len(times):06d}-{max(latest, 0.0):015.3f}-{time.time_ns():020d}"
