"""Files of a package that are swapped while it is served, and hundreds of senders who stall."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.listening_helpers import make_run, make_session, signed
from tests.support.listening_server import Client, Server
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.collecting.collection import Collection
from vcbench.listening.design.build import build
from vcbench.listening.kinds import ListeningError
from vcbench.listening.options import Options

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")

SECRET = b"the key"
STALLED = 300


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    run = make_run(folder / "run", trials=3, seconds=0.62)
    build(run, "mos", folder / "mos", Options(items=2, listeners=2, per_item=1, rows=("flowvc", "again_vc")))
    return folder / "mos"


@pytest.fixture
def bundle(built: Path, tmp_path: Path) -> Bundle:
    """A copy, to be damaged."""
    return Bundle(shutil.copytree(built, tmp_path / "mos"))


def a_link(path: Path, secret: Path) -> None:
    path.unlink()
    path.symlink_to(secret)


def a_hard_link(path: Path, secret: Path) -> None:
    path.unlink()
    path.hardlink_to(secret)


def a_pipe(path: Path, secret: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path, secret: Path) -> None:
    path.unlink()
    path.mkdir()


def a_linked_folder(path: Path, secret: Path) -> None:
    elsewhere = shutil.copytree(path.parent, secret.parent / "elsewhere")
    shutil.copy(secret, elsewhere / path.name)
    shutil.rmtree(path.parent)
    path.parent.symlink_to(elsewhere)


def of_the_same_size_and_age(path: Path, secret: Path) -> None:
    before = path.stat()
    path.write_bytes((SECRET * before.st_size)[: before.st_size])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def gone(path: Path, secret: Path) -> None:
    path.unlink()


def endless(path: Path, secret: Path) -> None:
    os.truncate(path, 1 << 40)


SWAPS = [a_link, a_hard_link, a_pipe, a_folder, a_linked_folder, of_the_same_size_and_age, gone, endless]


@pytest.mark.parametrize("swap", SWAPS)
def test_a_swapped_file_is_not_served(bundle: Bundle, tmp_path: Path, swap: Callable[[Path, Path], None]) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    path = next(bundle.folder.glob("clips/*.js"))
    name = path.relative_to(bundle.folder).as_posix()
    with Server(bundle, tmp_path / "results") as server:
        client = Client(server.port, tmp_path / "results")
        assert client.ask("GET", f"/{name}") == (200, path.read_bytes())
        swap(path, tmp_path / "secret")
        status, content = client.ask("GET", f"/{name}")
        assert (status, SECRET in content) == (404, False)
        assert client.ask("GET", "/index.html")[0] == 200
        assert client.post(signed(make_session(bundle))) == 201


@pytest.mark.parametrize("swap", SWAPS[:-1])  # hashing a terabyte of nothing takes its time
def test_a_package_with_a_swapped_file_is_not_opened(bundle: Bundle, tmp_path: Path, swap: Callable[..., None]) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    swap(next(bundle.folder.glob("clips/*.js")), tmp_path / "secret")
    with pytest.raises(ListeningError, match=r"clips/s_\w+\.js is missing or was changed\. Copy the bundle again"):
        Bundle(bundle.folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{'0' * 64}  ../secret", "missing or was changed"),
        (f"{'0' * 64}  /etc/passwd", "missing or was changed"),
        (f"{'0' * 64}  a\0b", "line 1 is not a SHA-256, two spaces and a name"),
        ("0  a", "line 1 is not a SHA-256"),
        ("\udcff", "line 1 is not a SHA-256"),
        ("", "line 1 is not a SHA-256"),
    ],
)
def test_a_wrong_line_of_the_sums_is_told(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "SHA256SUMS").write_bytes(f"{line}\n".encode("utf-8", "surrogateescape"))
    with pytest.raises(ListeningError, match=message):
        Bundle(tmp_path / "mine")


HEADER = b"POST /answers HTTP/1.1\r\nHost: here\r\nContent-Length: 50000\r\n\r\n"
BEGINNINGS = {
    "nothing": b"",
    "half a header": b"POST /answers HTTP/1.1\r\nHost: he",
    "half a body": HEADER + b'{"format":1',
    "half a chunk": b"POST /answers HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n{",
    "half a second header": b"GET /icon.svg HTTP/1.1\r\nHost: here\r\n\r\nGET /ic",
}


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def closed_after(sockets: list[socket.socket], limit: float) -> None:
    """Wait until the server has ended each of the connections."""
    start = time.monotonic()
    for one in sockets:
        one.settimeout(max(0.01, start + limit - time.monotonic()))
        try:
            while one.recv(65536):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            raise AssertionError(f"a connection was still open after {limit} s") from None


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_stalled_senders_are_dropped_and_others_served(bundle: Bundle, tmp_path: Path, beginning: str) -> None:
    with Server(bundle, tmp_path / "results", header=2.5, body=2.5, request=3.0) as server, ExitStack() as stack:
        client = Client(server.port, tmp_path / "results")
        sockets = []
        for _ in range(STALLED):
            sockets.append(stack.enter_context(connect(server.port)))
            sockets[-1].sendall(BEGINNINGS[beginning])
        assert client.ask("GET", "/")[0] == 200
        assert client.post(signed(make_session(bundle))) == 201
        closed_after(sockets, 30.0)  # on an idle machine it takes 3 s; without limits they stay
        assert len(client.kept()) == 1


def test_a_slow_body_is_told(bundle: Bundle, tmp_path: Path) -> None:
    with Server(bundle, tmp_path / "results", body=0.3) as server, connect(server.port) as one:
        one.sendall(HEADER)
        reply = b"".join(iter(lambda: one.recv(4096), b""))
    assert reply.startswith(b"HTTP/1.1 408")
    assert b"did not arrive within 0.3 seconds" in reply


def test_a_body_that_trickles_is_not_extended(bundle: Bundle, tmp_path: Path) -> None:
    with Server(bundle, tmp_path / "results", body=0.6) as server, connect(server.port) as one:
        one.sendall(HEADER)
        start = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() < start + 20:
                one.sendall(b" ")
                time.sleep(0.05)
    assert time.monotonic() - start < 20


def test_a_reader_who_does_not_read_is_dropped(bundle: Bundle, tmp_path: Path) -> None:
    """A hundred times the largest file, more than the buffers of both ends hold."""
    largest = max(bundle.files, key=lambda name: (bundle.folder / name).stat().st_size)
    received = 0
    with Server(bundle, tmp_path / "results", request=1.0) as server, socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(20)
        one.connect(("127.0.0.1", server.port))
        one.sendall(f"GET /{largest} HTTP/1.1\r\nHost: here\r\n\r\n".encode() * 100)
        time.sleep(3)
        with suppress(ConnectionError):
            while chunk := one.recv(65536):
                received += len(chunk)
    assert received < 100 * (bundle.folder / largest).stat().st_size


def test_beyond_the_cap_who_waits_longest_goes(bundle: Bundle, tmp_path: Path) -> None:
    with (
        Server(bundle, tmp_path / "results", connections=20, header=100.0, body=100.0, request=100.0) as server,
        ExitStack() as stack,
    ):
        client = Client(server.port, tmp_path / "results")
        sockets = []
        for _ in range(60):
            sockets.append(stack.enter_context(connect(server.port)))
            sockets[-1].sendall(BEGINNINGS["half a body"])
        assert client.ask("GET", "/")[0] == 200
        assert client.post(signed(make_session(bundle))) == 201
        closed_after(sockets[:40], 30.0)
        sockets[-1].settimeout(0.2)
        with pytest.raises(TimeoutError):
            sockets[-1].recv(1)


def test_a_full_disk_is_told_and_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with Server(bundle, tmp_path / "results") as server:
        client = Client(server.port, tmp_path / "results")
        body = signed(make_session(bundle))
        with monkeypatch.context() as patch:
            patch.setattr("vcbench.listening.collecting.files.os.fsync", full)
            status, reply = client.ask("POST", "/answers", body)
        assert (status, reply) == (503, b'{"error":"the server cannot store them: No space left on device"}')
        assert client.kept() == []
        assert client.post(body) == 201


def test_results_that_cannot_be_a_folder_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"file cannot be used: .*choose another folder"):
        Collection(tmp_path / "file").start()
