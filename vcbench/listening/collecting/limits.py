"""Limits of the collecting server, so that senders who stall, in hundreds, keep nobody else out.

uvicorn itself waits for ever for the rest of a request, and for a reader who does not read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class Limits:
    """Of one connection, in seconds, and of all.

    Attributes:
        header: from connecting to the end of the first request's header.
        body: to receive a request's body.
        request: from the end of a request's header to that of the next one's, and so for sending the answer.
        connections: at once; a further one ends that which has kept the server waiting longest.
    """

    header: float = 10.0
    body: float = 20.0
    request: float = 60.0
    connections: int = 500


USUAL = Limits()


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 with `limits`; a connection beyond them is dropped without an answer."""

    limits = USUAL
    _timer: asyncio.TimerHandle | None = None
    _since = 0.0
    _seen: object = None  # the request that the timer is for; None before the first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start(self.limits.header)
        self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _start(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._since = self.loop.time()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _look(self) -> None:
        """Start again if a request's header has arrived."""
        if self.cycle is not self._seen and not self.transport.is_closing():
            self._seen = self.cycle
            self._start(self.limits.request)

    def _make_room(self) -> None:
        others = [cast("LimitedProtocol", one) for one in self.connections if not one.transport.is_closing()]
        if len(others) > self.limits.connections:
            waiting = [one for one in others if one.is_waiting and one is not self]
            min(waiting, key=lambda one: one._since, default=self).transport.abort()

    @property
    def is_waiting(self) -> bool:
        """Whether the next step is the other side's: to send the rest of a request, another one, or to read the answer."""
        return self.cycle is None or self.cycle.more_body or self.cycle.response_complete


def limited(limits: Limits) -> type[LimitedProtocol]:
    return type("Limited", (LimitedProtocol,), {"limits": limits})
