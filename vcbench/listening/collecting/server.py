"""A small server that serves one bundle and collects its answers.

It serves a file only while it is what SHA256SUMS says; nothing else in the folder, and nothing that a link points to.
A session is checked, written to a temporary file, flushed to disk and linked to its name before the server confirms it.
A file is never overwritten; the same session sent twice is one file.

Every address that it gives is relative, so that it works under any name and path that a proxy gives it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from vcbench.base.errors import UserError
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import MAXIMUM_BYTES, Session, read_session
from vcbench.listening.collecting.arrivals import Arrivals
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.collecting.identity import read_identity
from vcbench.listening.collecting.limits import USUAL, Limits, limited
from vcbench.listening.collecting.study import Forgotten, Study
from vcbench.listening.kinds import ListeningError

ANSWERS = "answers"  # path that the page posts to
ARRIVE = "arrive"
COLLECTOR = "collector.js"  # the only file that is not served from the bundle: it says where answers go

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'",
}

CLOSE = {"Connection": "close"}
BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """What is served to whom.

    Attributes:
        study: for a crowd; ``None``: listeners type in the number of their sheet.
        base_path: under which a proxy passes requests on, without a slash at the end; empty for none.
        proxies: addresses, separated by commas, whose X-Forwarded-For and X-Forwarded-Proto are believed.
    """

    study: Study | None = None
    base_path: str = ""
    proxies: str = "127.0.0.1"
    limits: Limits = USUAL


def make_app(bundle: Bundle, results: Path, serving: Serving = Serving()) -> Starlette:
    """The application: GET the files of the bundle, POST arrivals and answers.

    Raises:
        ListeningError: the results folder would be inside the bundle, or an impossible base path.
    """
    _refuse_inside(bundle, results)
    base = serving.base_path.rstrip("/")
    if BASE_PATH.fullmatch(base) is None:
        raise ListeningError(f"The base path {base!r} is not a path such as /listening or /lab/test-2.")
    body = serving.limits.body
    routes: list[BaseRoute] = [
        Route(f"/{ANSWERS}", _take_answers(_taker(bundle, results, serving.study), bundle, body), methods=["POST"])
    ]
    if serving.study is not None:
        routes.append(Route(f"/{ARRIVE}", _take_arrivals(serving.study, body), methods=["POST"]))
    routes.append(Route("/{name:path}", _hand_out(bundle, _collector(serving.study)), methods=["GET"]))
    middleware = [
        Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["POST"], allow_headers=["Content-Type"])
    ]
    if not base:
        return Starlette(routes=routes, middleware=middleware)
    return Starlette(routes=[Route(base, _to_folder), Mount(base, routes=routes)], middleware=middleware)


def _refuse_inside(bundle: Bundle, results: Path) -> None:
    if results.resolve().is_relative_to(bundle.folder):
        raise ListeningError(
            f"The results {results} would be inside the bundle {bundle.folder}. Choose another --results."
        )


def _to_folder(request: Request) -> Response:
    """From /base to /base/, from where the page's relative addresses are right."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{request.url.path}/{query}")


def _collector(study: Study | None) -> str:
    crowd = "" if study is None else f"vcbench.crowd = {json.dumps(study.crowd.page())};\n"
    return f'vcbench.collector = "{ANSWERS}";\n{crowd}'


def _hand_out(bundle: Bundle, collector: str) -> Callable[[Request], Response]:
    def file(request: Request) -> Response:
        name = request.path_params["name"] or "index.html"
        if name == COLLECTOR:
            return Response(collector, media_type="text/javascript", headers=HEADERS)
        try:
            content = bundle.read(name)
        except ListeningError as error:
            if name in bundle.files:
                logger.warning("%s", error)
            raise HTTPException(404) from error
        return Response(content, media_type=guess_type(name)[0] or "application/octet-stream", headers=HEADERS)

    return file


def _taker(bundle: Bundle, results: Path, study: Study | None) -> Callable[[Session, bytes], dict[str, Any]]:
    """Stores a session; returns the reply."""
    if study is not None:
        return study.take
    collection = Collection(results)
    collection.start()

    def take(result: Session, content: bytes) -> dict[str, Any]:
        collection.add(result, content)
        return {"stored": result.checksum}

    return take


def _take_answers(
    take: Callable[[Session, bytes], dict[str, Any]], bundle: Bundle, seconds: float
) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def answers(request: Request) -> JSONResponse:
        content = await _body(request, seconds)

        def work() -> dict[str, Any]:
            result = read_session(content)
            bundle.check(result)
            return take(result, content)

        return await _reply(request, run_in_threadpool(work), 201)

    return answers


def _take_arrivals(study: Study, seconds: float) -> Callable[[Request], Awaitable[JSONResponse]]:
    arrivals = Arrivals(study)

    async def arrive(request: Request) -> JSONResponse:
        content = await _body(request, seconds)

        async def admit() -> dict[str, Any]:
            return await arrivals.admit(read_identity(content))

        return await _reply(request, admit(), 200)

    return arrive


async def _reply(request: Request, work: Awaitable[dict[str, Any]], status: int) -> JSONResponse:
    """The outcome of `work`: its result, or a sentence on why there is none."""
    try:
        return JSONResponse(await work, status)
    except Forgotten as error:
        return JSONResponse({"error": str(error)}, 410)
    except ListeningError as error:
        client = request.client.host if request.client else "somebody"
        logger.warning("Refused what %s sent: %s", client, error)
        return JSONResponse({"error": str(error)}, 422)
    except OSError as error:
        logger.error("The answers cannot be written: %s.", error.strerror)
        return JSONResponse({"error": f"the server cannot store them: {error.strerror}"}, 503)
    except UserError as error:  # a damaged file of the register: the operator must restore it
        logger.error("%s", error)
        return JSONResponse({"error": "the server cannot read its files"}, 503)


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


def make_server(
    bundle: Bundle,
    results: Path,
    host: str,
    port: int,
    serving: Serving = Serving(),
) -> uvicorn.Server:
    """A server, not yet running.

    Raises:
        ListeningError: as `make_app`.
    """
    app = make_app(bundle, results, serving)
    config = uvicorn.Config(
        app, host, port, log_level="warning", server_header=False, http=limited(serving.limits), ws="none",
        proxy_headers=True, forwarded_allow_ips=serving.proxies,
    )  # fmt: skip
    return uvicorn.Server(config)
