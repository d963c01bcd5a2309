"""A folder of sessions, one JSON file each: complete ones at the top, the latest state of the others in `progress`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vcbench.listening.answers.session import Session
from vcbench.listening.collecting.files import make_folder, store

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
        """Store the state of an unfinished session durably, then remove its earlier ones."""
        rated = sum(not answer.untouched for answer in (*result.training, *result.answers))
        self.progress.mkdir(exist_ok=True)
        name = f"{result.participant}_{result.session}_{rated:06d}_{result.checksum[:16]}.json"
        store(self.progress / name, content)
        self._drop(result, before=rated)

    def _drop(self, result: Session, before: int | None) -> None:
        """Remove a participant's states of a session with fewer ratings than `before`, or all of them."""
        for path in self.progress.glob(f"{result.participant}_{result.session}_*.json"):
            if before is None or int(path.name.split("_")[2]) < before:
                path.unlink(missing_ok=True)

    def finished(self) -> set[str]:
        """Codes of the participants who have sent a complete session."""
        return {path.name.split("_")[1] for path in self.folder.glob(f"{PARTICIPANT}*.json")}

    def of(self, code: str) -> list[Path]:
        """All files of one participant."""
        return [*self.folder.glob(f"{PARTICIPANT}{code}_*.json"), *self.progress.glob(f"{code}_*.json")]

    def latest(self) -> Iterator[Path]:
        """Every complete session, and of each other one the state with the most ratings."""
        complete = sorted(path for path in self.folder.glob("*_*_*.json"))
        sessions = {path.name.rsplit("_", 2)[1] for path in complete}
        states = {path.name.split("_")[1]: path for path in sorted(self.progress.glob("*.json"))}
        yield from complete
        yield from (path for session, path in states.items() if session not in sessions)
