"""A small server that serves one bundle and collects its answers.

It serves a file only while it is what SHA256SUMS says; nothing else in the folder, and nothing that a link points to.
A session is checked, written to a temporary file, flushed to disk and linked to its name before the server confirms it.
A file is never overwritten; the same session sent twice is one file.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from mimetypes import guess_type
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vcbench.base.files import place_errors
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.limits import USUAL, Limits, limited
from vcbench.listening.answers.session import MAXIMUM_BYTES, Session, read_session
from vcbench.listening.kinds import ListeningError

ANSWERS = "answers"  # path that the page posts to
COLLECTOR = "collector.js"  # the only file that is not served from the bundle: it says where answers go

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'",
}

CLOSE = {"Connection": "close"}
UNFINISHED = ".unfinished-"  # prefix of incomplete files


logger = logging.getLogger(__name__)


class Collection:
    """A folder of sessions, one JSON file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with place_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{UNFINISHED}*"):  # by a server that was killed before it replied
                left.unlink()

    def add(self, result: Session, content: bytes) -> None:
        """Store a session durably, as received; an existing file is left unchanged."""
        path = self.folder / f"listener_{result.listener:03d}_{result.session}_{result.checksum[:16]}.json"
        temporary = self.folder / f"{UNFINISHED}{os.urandom(8).hex()}"
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # sent twice
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush_folder(self.folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_app(bundle: Bundle, results: Path, limits: Limits = USUAL) -> Starlette:
    """The application: GET the files of the bundle, POST answers.

    Raises:
        ListeningError: the results folder would be inside the bundle.
    """
    results = results.resolve()
    if results.is_relative_to(bundle.folder):
        raise ListeningError(
            f"The results {results} would be inside the bundle {bundle.folder}. Choose another --results."
        )
    answers = _take_answers(bundle, Collection(results), limits)
    return Starlette(
        routes=[
            Route(f"/{ANSWERS}", answers, methods=["POST"]),
            Route("/{name:path}", _hand_out(bundle), methods=["GET"]),
        ],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["POST"], allow_headers=["Content-Type"])
        ],
    )


def _hand_out(bundle: Bundle) -> Callable[[Request], Response]:
    def file(request: Request) -> Response:
        name = request.path_params["name"] or "index.html"
        if name == COLLECTOR:
            return Response(f'vcbench.collector = "{ANSWERS}";\n', media_type="text/javascript", headers=HEADERS)
        try:
            content = bundle.read(name)
        except ListeningError as error:
            if name in bundle.files:
                logger.warning("%s", error)
            raise HTTPException(404) from error
        return Response(content, media_type=guess_type(name)[0] or "application/octet-stream", headers=HEADERS)

    return file


def _take_answers(
    bundle: Bundle, collection: Collection, limits: Limits
) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def answers(request: Request) -> JSONResponse:
        content = await _body(request, limits.body)
        try:
            result = read_session(content)
            bundle.check(result)
        except ListeningError as error:
            return JSONResponse({"error": str(error)}, 422)
        try:
            await run_in_threadpool(collection.add, result, content)
        except OSError as error:
            logger.error("%s cannot be written: %s.", collection.folder, error.strerror)
            return JSONResponse({"error": f"the server cannot store them: {error.strerror}"}, 503)
        return JSONResponse({"stored": result.checksum}, 201)

    return answers


async def _body(request: Request, seconds: float) -> bytes:
    """The body, at most MAXIMUM_BYTES, regardless of the Content-Length header."""
    received = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                received += chunk
                if len(received) > MAXIMUM_BYTES:
                    raise HTTPException(413, f"A session may have at most {MAXIMUM_BYTES} bytes.", CLOSE)
    except TimeoutError as error:
        raise HTTPException(408, f"The session did not arrive within {seconds:g} seconds.", CLOSE) from error
    except ClientDisconnect as error:
        raise HTTPException(400, "The connection closed before the whole session arrived.") from error
    return bytes(received)


def make_server(bundle: Bundle, results: Path, host: str, port: int, limits: Limits = USUAL) -> uvicorn.Server:
    """A server, not yet running.

    Raises:
        ListeningError: the results folder would be inside the bundle.
    """
    app = make_app(bundle, results, limits)
    protocol = limited(limits)
    return uvicorn.Server(
        uvicorn.Config(app, host, port, log_level="warning", server_header=False, http=protocol, ws="none")
    )


def serve(bundle: Path, results: Path, host: str, port: int) -> None:
    """Serve until interrupted."""
    make_server(Bundle(bundle), results, host, port).run()
