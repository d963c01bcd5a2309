"""The collecting server under a base path, behind a real proxy with HTTPS, as the guide sets it up."""

from __future__ import annotations

import http.client
import json
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_crowd import Clock, make_study, post, state_of
from tests.support.listening_helpers import make_run
from tests.support.listening_page import heading
from tests.support.listening_proxy import caddy, nginx
from tests.support.listening_server import Client, Server, free_port
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.collecting.server import Serving, make_app
from vcbench.listening.design.build import build
from vcbench.listening.kinds import ListeningError
from vcbench.listening.options import Options

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")
BASE = "/listening"
Proxy = Callable[[Path, int, int], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=3, seconds=0.62)
    build(run, "mos", folder / "mos", Options(items=2, listeners=2, per_item=1, rows=("flowvc", "again_vc")))
    return Bundle(folder / "mos")


@pytest.fixture
def server(bundle: Bundle, tmp_path: Path) -> Iterator[Server]:
    with Server(bundle, tmp_path / "answers", make_study(bundle, tmp_path / "answers", Clock()), BASE) as one:
        yield one


def test_a_base_path(server: Server, bundle: Bundle, tmp_path: Path) -> None:
    client = Client(server.port, tmp_path / "answers")
    assert client.ask("GET", f"{BASE}/")[1] == (bundle.folder / "index.html").read_bytes()
    assert client.ask("GET", f"{BASE}/scripts/main.js")[0] == 200
    assert client.ask("GET", "/index.html")[0] == 404
    assert client.ask("GET", f"{BASE}/../mos.key/key.json")[0] in (400, 404)
    status, anna = post(client, f"{BASE}/arrive", {"pid": "anna"})
    assert (status, post(client, f"{BASE}/answers", state_of(bundle, anna))[0]) == (200, 201)
    assert len(client.kept()) == 1


def test_without_the_slash_the_query_is_kept(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", f"{BASE}?PROLIFIC_PID=a&STUDY_ID=b")
    response = connection.getresponse()
    assert (response.status, response.headers["Location"]) == (307, f"{BASE}/?PROLIFIC_PID=a&STUDY_ID=b")
    connection.close()


@pytest.mark.parametrize("wrong", ["listening", "/a b", "/a//b", "/a?b", "/ä"])
def test_an_impossible_base_path_is_refused(bundle: Bundle, tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ListeningError, match="is not a path such as /listening"):
        make_app(bundle, tmp_path, Serving(base_path=wrong))


def test_the_address_that_a_trusted_proxy_names_is_logged(
    server: Server, bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Client(server.port, tmp_path).ask("POST", f"{BASE}/answers", b"{}", {"X-Forwarded-For": "203.0.113.5"})
    assert "Refused what 203.0.113.5 sent" in caplog.text


def over_https(port: int, method: str, path: str, content: Any = None) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPSConnection("localhost", port, context=ssl._create_unverified_context(), timeout=60)
    body = content if content is None or isinstance(content, bytes) else json.dumps(content).encode()
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.status, response.read(), response.headers["Location"]
    connection.close()
    return answer


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_behind_a_real_proxy(server: Server, bundle: Bundle, tmp_path: Path, proxy: Proxy) -> None:
    port, folder = free_port(), tmp_path / "proxy"
    folder.mkdir()
    with proxy(folder, port, server.port):
        status, page, _ = over_https(port, "GET", f"{BASE}/?PROLIFIC_PID=anna")
        assert (status, page) == (200, (bundle.folder / "index.html").read_bytes())
        clip = next(name for name in bundle.files if name.startswith("clips/"))
        assert over_https(port, "GET", f"{BASE}/{clip}")[1] == (bundle.folder / clip).read_bytes()
        status, _, location = over_https(port, "GET", f"{BASE}?pid=anna")
        assert (status, location) == (307, f"{BASE}/?pid=anna")
        anna = json.loads(over_https(port, "POST", f"{BASE}/arrive", {"pid": "anna"})[1])
        assert over_https(port, "POST", f"{BASE}/answers", state_of(bundle, anna))[0] == 201
        big = b'{"x":"' + b"a" * 900_000 + b'"}'
        assert over_https(port, "POST", f"{BASE}/answers", big)[0] == 422  # the proxy passes on what the server takes
    assert len(Client(server.port, tmp_path / "answers").kept()) == 1


def test_the_page_behind_a_real_proxy(server: Server, browser: Any, tmp_path: Path) -> None:
    port = free_port()
    with nginx(tmp_path, port, server.port):
        context = browser.new_context(ignore_https_errors=True)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(f"https://localhost:{port}{BASE}?PROLIFIC_PID=anna&STUDY_ID=s&SESSION_ID=t")
        heading(page, "Taking part")
        page.get_by_label("I agree").check()
        page.get_by_role("button", name="Continue").click()
        heading(page, "Volume")
        assert page.url.startswith(f"https://localhost:{port}{BASE}/?PROLIFIC_PID=anna")
        context.close()
