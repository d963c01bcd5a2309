"""Where a crowd's participants are, and how many ratings each clip has so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vcbench.base.nouns import counted, verb
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.collecting.crowd import Crowd
from vcbench.listening.collecting.register import Person, Register, State, utc_now


@dataclass(frozen=True)
class Status:
    """Of the answers to a bundle.

    Attributes:
        people: everybody in order of arrival, with their state; empty if no crowd takes the test.
        sessions: complete ones.
        ratings, planned: by rated clip, how many ratings it has, and on how many sheets it is.
    """

    people: list[tuple[Person, State]]
    sessions: int
    ratings: dict[str, int]
    planned: dict[str, int]
    now: datetime

    def lines(self, clips: bool = False) -> list[str]:
        """For people to read; `clips`: also a line per clip."""
        states = Counter(state for _, state in self.people)
        counts = [f"{states[state]} {state}" for state in ("complete", "working", "stopped", "abandoned")]
        lines = [", ".join(counts) + "."] if self.people else [f"{counted(self.sessions, 'complete session')}."]
        lines += [self._person(person, state) for person, state in self.people]
        lines += ["Ratings per clip:"]
        spread = Counter(self.ratings.values())
        lines += [f"  {counted(number, 'rating'):>12}: {counted(spread[number], 'clip')}" for number in sorted(spread)]
        short = sum(self.ratings[clip] < wanted for clip, wanted in self.planned.items())
        lines.append(
            f"{short} of {counted(len(self.planned), 'clip')} {verb(short, 'has', 'have')} fewer ratings than planned."
        )
        if clips:
            lines += [f"  {clip}  {self.ratings[clip]} of {self.planned[clip]}" for clip in sorted(self.planned)]
        return lines

    def _person(self, person: Person, state: State) -> str:
        who = person.pid or person.code
        why = f" ({person.stopped})" if state == "stopped" else ""
        minutes = (self.now - person.seen).total_seconds() / 60
        where = f"sheet {person.sheet:3d}  page {person.done} of {person.pages}"
        return f"  {who:20}  {where}  {state}{why}, last seen {minutes:.0f} min ago"


def look(bundle: Bundle, results: Path, hold: float = Crowd().hold) -> Status:
    """Read the answers' folder, also while the server runs.

    Args:
        hold: minutes, as given to the server.

    Raises:
        ListeningError: no such folder, or a damaged file in it.
        DamagedFile: a participant's file is not what was written.
    """
    collection = Collection(results)
    finished = collection.finished()
    people: list[tuple[Person, State]] = []
    if (results / "participants").is_dir():
        register, time = Register(results), Crowd(hold=hold).hold_time
        people = [(one, register.state(one, finished, time)) for one in register.people().values()]
    planned = Counter(
        clip for sheet in bundle.sheets.values() for one in sheet["rounds"] for shown in one for clip in shown["order"]
    )
    given: Counter[str] = Counter()
    for result in collection.sessions():
        given.update(answer.clip for answer in result.answers if not answer.untouched)
    ratings = {clip: given[clip] for clip in planned}
    complete = sum(1 for _ in results.glob("*_*_*.json"))
    return Status(people, complete, ratings, dict(planned), utc_now())
