"""Participants of a crowd, without a browser: they arrive, send the state of their session page by page, and finish."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.listening_helpers import make_session, signed
from tests.support.listening_server import Client
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import Session, read_session
from vcbench.listening.collecting.crowd import Crowd
from vcbench.listening.collecting.identity import Identity
from vcbench.listening.collecting.study import Accepted, Study


class Clock:
    """The server's clock, which the test sets."""

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_minutes(self, minutes: float) -> None:
        self.time += timedelta(minutes=minutes)


def make_study(bundle: Bundle, results: Path, clock: Clock, traps: Accepted | None = None, **options: Any) -> Study:
    return Study(bundle, results, Crowd(**options), traps or {}, clock)


def arrive(at: Study, pid: str, **ids: str) -> dict[str, Any]:
    return at.arrive(Identity(pid=pid, **ids))


def state_of(bundle: Bundle, arrival: dict[str, Any], pages: int | None = None, **fields: Any) -> bytes:
    """A participant's session as the page sends it, with their first `pages` rated; with all by default, and ended."""
    document = make_session(bundle, arrival["listener"], int(arrival["participant"], 16) % 2**64)
    document |= {"participant": arrival["participant"], **fields}
    if pages is not None:
        order = list(dict.fromkeys(answer["page"] for answer in document["answers"]))
        for answer in document["answers"]:
            if answer["page"] in order[pages:]:
                answer |= {"rating": None, "rated": None}
        document["ended"] = None
    return signed(document)


def send(study: Study, body: bytes) -> dict[str, Any]:
    return study.take(read_session(body), body)


def finish(study: Study, arrival: dict[str, Any]) -> dict[str, Any]:
    return send(study, state_of(study.bundle, arrival))


def post(client: Client, path: str, content: Any) -> tuple[int, dict[str, Any]]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    status, reply = client.ask("POST", path, body, {"Content-Type": "application/json"})
    return status, json.loads(reply)


def states(results: Path) -> list[Session]:
    """The states of unfinished sessions."""
    return [read_session(path.read_bytes()) for path in sorted((results / "progress").glob("*.json"))]
