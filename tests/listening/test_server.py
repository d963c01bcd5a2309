"""The collecting server under attack: it loses nothing, accepts no bad sessions, and serves nothing but the bundle."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_helpers import make_run, make_session, signed
from tests.support.listening_server import Client, Server, free_port
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.session import MAXIMUM_BYTES, read_session
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.collecting.server import make_app
from vcbench.listening.design.build import build
from vcbench.listening.kinds import ListeningError
from vcbench.listening.options import Options

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=3, seconds=0.62)
    for test in ("mos", "preference"):
        build(run, test, folder / test, Options(items=2, listeners=2, per_item=1, rows=("flowvc", "again_vc")))
    return {test: Bundle(folder / test) for test in ("mos", "preference")}


@pytest.fixture(scope="module")
def bundle(bundles: dict[str, Bundle]) -> Bundle:
    return bundles["mos"]


@pytest.fixture
def client(bundle: Bundle, tmp_path: Path) -> Iterator[Client]:
    with Server(bundle, tmp_path / "results") as server:
        yield Client(server.port, tmp_path / "results")


def test_every_file_of_the_bundle_is_handed_out(client: Client, bundle: Bundle) -> None:
    for name in [*bundle.files, "SHA256SUMS"]:
        status, content = client.ask("GET", f"/{name}")
        expected = (bundle.folder / name).read_bytes()
        assert (status, content) == (200, b'vcbench.collector = "answers";\n' if name == "collector.js" else expected)
    assert client.ask("GET", "/")[1] == (bundle.folder / "index.html").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/../mos.key/key.json", "/..%2fmos.key/key.json", "/%2e%2e/mos.key/key.json", "/audio/../../mos.key/key.json",
        "/audio/%2e%2e%2f%2e%2e%2fmos.key%2fkey.json", "//etc/passwd", "/%2fetc%2fpasswd", "/..\\\\mos.key\\\\key.json",
        "/index.html%00.js", "/unlisted.txt", "/link.txt", "/audio/", "/audio", "/answers", "/mos.key/key.json",
    ],
)  # fmt: skip
def test_no_other_file_is_readable(client: Client, bundle: Bundle, path: str) -> None:
    (bundle.folder / "unlisted.txt").write_text("secret")
    if not (bundle.folder / "link.txt").is_symlink():
        (bundle.folder / "link.txt").symlink_to(bundle.folder.with_name("mos.key") / "key.json")
    status, content = client.ask("GET", path)
    assert status in (400, 404, 405)
    assert b"secret" not in content
    assert b"salt" not in content


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST"])
def test_nothing_can_be_written_to_a_file(client: Client, bundle: Bundle, method: str) -> None:
    before = (bundle.folder / "manifest.json").read_bytes()
    assert client.ask(method, "/manifest.json", b"{}")[0] == 405
    assert (bundle.folder / "manifest.json").read_bytes() == before


def test_a_session_is_kept_as_it_was_sent_and_once(client: Client, bundle: Bundle) -> None:
    body = signed(make_session(bundle))
    replies = [client.ask("POST", "/answers", body) for _ in range(3)]
    assert {status for status, _ in replies} == {201}
    assert json.loads(replies[0][1]) == {"stored": read_session(body).checksum}
    (path,) = client.kept()
    assert path.read_bytes() == body
    changed = signed(make_session(bundle, rating=4))
    assert client.post(changed) == 201
    assert len(client.kept()) == 2
    assert path.read_bytes() == body


def wrong(bundle: Bundle) -> dict[str, bytes]:
    """Bodies that are not a session of this bundle, by what is wrong with them."""
    good = make_session(bundle)
    first, *others = good["answers"]

    def changed(**fields: Any) -> bytes:
        return signed({**good, **fields})

    def answered(**fields: Any) -> bytes:
        return changed(answers=[{**first, **fields}, *others])

    return {
        "nothing": b"", "no JSON": b"{", "no object": b"[]", "deep": b"[" * 100_000, "not text": b"\xff\xfe\x00",
        "a number": b"1e999", "another bundle": changed(bundle="vcbench_mos_aaaaaaaaaa"), "another test": changed(test="mushra"),
        "another listener": changed(listener=3), "listener 0": changed(listener=0), "no number": changed(listener="1"),
        "another sheet": changed(listener=2), "a path": changed(session="../../../../etc/cron.d/aaaaaaaaaa"),
        "a field more": changed(extra=1), "an answer less": changed(answers=others), "too high": answered(rating=6),
        "too low": answered(rating=0), "a fraction": answered(rating=2.5), "a truth": answered(rating=True),
        "no time": answered(rated=None), "another clip": answered(clip="s_aaaaaaaaaa"), "another place": answered(position=1),
        "damaged": signed(good).replace(b'"rating":3', b'"rating":5', 1), "no checksum": json.dumps(good).encode(),
        "a future format": changed(format=2), "a long name": changed(language="e" * 500), "surrogates": signed(good).replace(
            b'"language":"en"', b'"language":"\\ud800"'
        ),
    }  # fmt: skip


def test_what_is_no_answer_to_this_bundle_is_refused(client: Client, bundle: Bundle) -> None:
    for name, body in wrong(bundle).items():
        status, reply = client.ask("POST", "/answers", body)
        assert status == 422, name
        assert len(json.loads(reply)["error"]) > 20, name
    assert client.kept() == []
    assert client.post(signed(make_session(bundle))) == 201


def test_a_preference_is_for_one_or_where_allowed_for_none(bundles: dict[str, Bundle]) -> None:
    bundle = bundles["preference"]
    for rating in (0, 1):  # "no preference" is not offered here, and nobody can prefer both
        with pytest.raises(ListeningError, match="which a test of the kind preference does not allow"):
            bundle.check(read_session(signed(make_session(bundle, rating=rating))))
    bundle.check(read_session(signed(make_session(bundle, rating=None))))


def test_a_hundred_megabytes_are_cut_off(client: Client, bundle: Bundle) -> None:
    """With a correct Content-Length, and in chunks without one."""
    for header in (b"Content-Length: 100000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        sent = flood(client.port, header, 100_000_000)
        assert sent < 20_000_000  # what the socket buffers took before the reply
    assert client.kept() == []
    assert client.post(b" " * (MAXIMUM_BYTES + 1)) == 413
    assert client.post(signed(make_session(bundle))) == 201


def flood(port: int, header: bytes, size: int) -> int:
    """Send until the server hangs up; return how many bytes it took. Its reply, if it arrives, is 413."""
    block = b"1" * 65536
    chunk = b"10000\r\n" + block + b"\r\n" if b"chunked" in header else block
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST /answers HTTP/1.1\r\nHost: here\r\n" + header)
        sent = 0
        try:
            while sent < size:
                connection.sendall(chunk)
                sent += len(block)
            assert connection.recv(20).startswith(b"HTTP/1.1 413")
        except ConnectionError:
            pass
    return sent


def test_a_sender_that_hangs_up_leaves_nothing(client: Client, bundle: Bundle) -> None:
    body = signed(make_session(bundle))
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(
            b"POST /answers HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:-1]
        )
    assert client.post(body) == 201
    assert len(client.kept()) == 1


def test_a_thousand_posts_are_a_thousand_files(client: Client, bundle: Bundle) -> None:
    bodies = [signed(make_session(bundle, 1 + number % 2, number)) for number in range(1000)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(client.post, bodies)) == {201}
    assert sorted(path.read_bytes() for path in client.kept()) == sorted(bodies)


def test_killed_while_writing_it_has_lost_nothing_that_it_confirmed(bundle: Bundle, tmp_path: Path) -> None:
    port, results = free_port(), tmp_path / "results"
    command = [sys.executable, "-m", "vcbench", "listen", "serve", str(bundle.folder), "--results", str(results)]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    client = Client(port, results)
    confirmed: list[bytes] = []

    def send(number: int) -> None:
        body = signed(make_session(bundle, 1, number))
        try:
            if client.post(body) == 201:
                confirmed.append(body)
        except (OSError, http.client.HTTPException):
            pass  # killed: never confirmed

    await_port(port)
    with ThreadPoolExecutor(4) as pool:
        sending = [pool.submit(send, number) for number in range(500)]
        while len(confirmed) < 100 and not all(one.done() for one in sending):
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for one in sending:
            one.result()
    kept = [path.read_bytes() for path in results.glob("*.json")]
    assert set(confirmed) <= set(kept)
    assert len(confirmed) < 500
    for content in kept:
        bundle.check(read_session(content))
    (results / ".unfinished-0123").write_bytes(b'{"half')
    Collection(results).start()
    assert sorted(path.read_bytes() for path in results.iterdir() if path.is_file()) == sorted(kept)


def await_port(port: int) -> None:
    for _ in range(2400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def test_results_inside_the_bundle_are_refused(bundle: Bundle) -> None:
    with pytest.raises(ListeningError, match="would be inside the bundle"):
        make_app(bundle, bundle.folder / "results")


def test_a_changed_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ListeningError, match="is not a bundle: it has no SHA256SUMS"):
        Bundle(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "mine" / "SHA256SUMS").write_text(f"{'0' * 64}  ../secret\n")
    with pytest.raises(ListeningError, match="missing or was changed"):
        Bundle(tmp_path / "mine")
