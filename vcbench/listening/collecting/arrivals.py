"""Arrivals at a server: who comes while others are being stored waits, and is stored together with all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from vcbench.listening.collecting.identity import Identity
from vcbench.listening.collecting.study import Reply, Study


class Arrivals:
    """One batch at a time; waiting for it takes no thread from those who send answers."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._turn = asyncio.Lock()
        self._waiting: list[tuple[Identity, asyncio.Future[Reply]]] = []

    async def admit(self, identity: Identity) -> Reply:
        """As `Study.arrive`."""
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((identity, reply))
        async with self._turn:
            if not reply.done():
                await self._admit_all()
        return await reply

    async def _admit_all(self) -> None:
        batch, self._waiting = self._waiting, []
        found: Sequence[Reply | Exception]
        try:
            found = await run_in_threadpool(self._study.arrive_all, [identity for identity, _ in batch])
        except Exception as error:  # each of the batch is told
            found = [error] * len(batch)
        for (_, reply), outcome in zip(batch, found, strict=True):
            if reply.done():  # it was cancelled
                continue
            if isinstance(outcome, Exception):
                reply.set_exception(outcome)
            else:
                reply.set_result(outcome)
