"""A small server that serves one bundle and collects its answers.

A session is checked, written to a temporary file, flushed to disk and linked to its name before the server confirms it.
A file is never overwritten; the same session sent twice is one file.
"""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import MAXIMUM_BYTES, Session, read_session
from vcbench.listening.kinds import ListeningError

ANSWERS = "answers"  # path that the page posts to
COLLECTOR = "collector.js"  # the only file that is not served from the bundle: it says where answers go

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'",
}

UNFINISHED = ".unfinished-"  # prefix of incomplete files


class Collection:
    """A folder of sessions, one JSON file each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{UNFINISHED}*"):  # by a server that was killed before it replied
            left.unlink()

    def add(self, result: Session, content: bytes) -> None:
        """Store a session durably, as received; an existing file is left unchanged."""
        path = self.folder / f"listener_{result.listener:03d}_{result.session}_{result.checksum[:16]}.json"
        temporary = self.folder / f"{UNFINISHED}{os.urandom(8).hex()}"
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass  # sent twice
        finally:
            temporary.unlink()
        _flush_folder(self.folder)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_app(bundle: Bundle, results: Path) -> Starlette:
    """The application: GET the files of the bundle, POST answers.

    Raises:
        ListeningError: the results folder would be inside the bundle.
    """
    results = results.resolve()
    if results.is_relative_to(bundle.folder):
        raise ListeningError(
            f"The results {results} would be inside the bundle {bundle.folder}. Choose another --results."
        )
    collection = Collection(results)
    handed_out = {*bundle.files, "SHA256SUMS"}

    async def file(request: Request) -> Response:
        name = request.path_params["name"] or "index.html"
        if name == COLLECTOR:
            return Response(f'vcbench.collector = "{ANSWERS}";\n', media_type="text/javascript", headers=HEADERS)
        if name not in handed_out:
            raise HTTPException(404)
        return FileResponse(bundle.folder / name, headers=HEADERS)

    async def answers(request: Request) -> Response:
        try:
            content = await _body(request)
            result = read_session(content)
            bundle.check(result)
        except ListeningError as error:
            return JSONResponse({"error": str(error)}, 422)
        collection.add(result, content)
        return JSONResponse({"stored": result.checksum}, 201)

    return Starlette(
        routes=[Route(f"/{ANSWERS}", answers, methods=["POST"]), Route("/{name:path}", file, methods=["GET"])],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["POST"], allow_headers=["Content-Type"])
        ],
    )


async def _body(request: Request) -> bytes:
    """The body, at most MAXIMUM_BYTES, regardless of the Content-Length header."""
    received = bytearray()
    try:
        async for chunk in request.stream():
            received += chunk
            if len(received) > MAXIMUM_BYTES:
                raise HTTPException(413, f"A session may have at most {MAXIMUM_BYTES} bytes.", {"Connection": "close"})
    except ClientDisconnect as error:
        raise HTTPException(400, "The connection closed before the whole session arrived.") from error
    return bytes(received)


def serve(bundle: Path, results: Path, host: str, port: int) -> None:
    """Serve until interrupted."""
    uvicorn.run(make_app(Bundle(bundle), results), host=host, port=port, log_level="warning", server_header=False)
