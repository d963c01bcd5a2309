"""Archives downloaded from a local server: resumed, verified, unpacked completely or not at all."""

from __future__ import annotations

import errno
import hashlib
import http.server
import io
import shutil
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.progress import Progress

from vcbench.base.fetch import Archive, DownloadError, fetch
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.archives import ARCHIVES, DEFAULT_PARTS
from vcbench.speech.corpora.cmu_arctic import VOICES
from vcbench.speech.corpora.download import download


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, records each request's Range, and closes a connection after the number of bytes at the head of `cuts`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.cuts: list[int] = []
        self.knows_ranges = True

    def archive(self, name: str, content: bytes, sha256: str | None = None) -> Archive:
        self.files[f"/{name}"] = content
        return Archive(f"http://127.0.0.1:{self.server_port}/{name}", sha256 or hashlib.sha256(content).hexdigest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.knows_ranges else 0
        if begin and begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(content)
        self.wfile.write(content[begin : begin + cut])

    def log_message(self, *_: object) -> None:
        pass


def sound() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, 0.1 * np.random.default_rng(0).standard_normal(8000), 16_000, format="FLAC")
    return buffer.getvalue()


def tar(files: dict[str, bytes], kind: str = "gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def subset(name: str, speaker: str) -> bytes:
    return tar(
        {
            "LibriSpeech/SPEAKERS.TXT": f";ID\n{speaker} | F | {name}\n".encode(),
            f"LibriSpeech/{name}/{speaker}/1/{speaker}-1-0000.flac": sound(),
            f"LibriSpeech/{name}/{speaker}/1/{speaker}-1.trans.txt": f"{speaker}-1-0000 HELLO\n".encode(),
        }
    )


def test_download_two_subsets_and_load_them(server: Server, tmp_path: Path) -> None:
    parts = {
        "train-clean-100": server.archive("train-clean-100.tar.gz", subset("train-clean-100", "19")),
        "test-clean": server.archive("test-clean.tar.gz", subset("test-clean", "61")),
    }
    download("librispeech", tmp_path / "new", archives={"librispeech": parts})
    corpus = load_corpus("librispeech", tmp_path / "new")
    assert [(s.id, s.seen, s.utterances[0].text) for s in corpus.speakers] == [
        ("19", True, "HELLO"),
        ("61", False, "HELLO"),
    ]
    assert len(server.ranges) == 2
    download("librispeech", tmp_path / "new", archives={"librispeech": parts})
    assert len(server.ranges) == 2  # nothing is downloaded twice
    visible = sorted(path.name for path in (tmp_path / "new").iterdir() if not path.name.startswith("."))
    assert visible == ["LibriSpeech"]
    (tmp_path / "new/LibriSpeech/test-clean/61/1/61-1.trans.txt").unlink()
    (tmp_path / "new/LibriSpeech/test-clean").rename(tmp_path / "elsewhere")
    download("librispeech", tmp_path / "new", ["test-clean"], {"librispeech": parts})
    assert len(load_corpus("librispeech", tmp_path / "new").speakers) == 2


@pytest.mark.parametrize(("name", "kind"), [("a.tar.bz2", "bz2"), ("a.tar.gz", "gz"), ("a.zip", "zip")])
def test_kinds_of_archives(server: Server, tmp_path: Path, name: str, kind: str) -> None:
    files = {"top/one.txt": b"1" * 1000, "top/deep/two.txt": b"2", "three.txt": b"3"}
    content = zipped(files) if kind == "zip" else tar(files, kind)
    download("x", tmp_path, ["p"], {"x": {"p": server.archive(name, content)}})
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*.txt")} == files


def test_resumes_a_cut_connection(server: Server, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(100_000)
    archive = server.archive("a.zip", content)
    server.cuts = [30_000, 0, 50_000]
    with Progress(disable=True) as progress:
        path = fetch(archive, tmp_path, progress)
    assert path.read_bytes() == content
    assert server.ranges == [None, "bytes=30000-", "bytes=30000-", "bytes=80000-"]


def test_goes_on_with_what_an_earlier_call_left(server: Server, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(10_000)
    archive = server.archive("a.zip", content)
    (tmp_path / "a.zip.part").write_bytes(content[:4000])
    with Progress(disable=True) as progress:
        assert fetch(archive, tmp_path, progress).read_bytes() == content
        assert fetch(archive, tmp_path, progress).read_bytes() == content  # complete, not yet unpacked
        assert server.ranges == ["bytes=4000-"]
        (tmp_path / "a.zip").rename(tmp_path / "a.zip.part")  # complete, not yet verified
        assert fetch(archive, tmp_path, progress).read_bytes() == content


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(10_000)
    archive = server.archive("a.zip", content)
    server.knows_ranges = False
    server.cuts = [3000]
    with Progress(disable=True) as progress:
        assert fetch(archive, tmp_path, progress).read_bytes() == content


def test_gives_up_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    archive = server.archive("a.zip", bytes(1000))
    server.cuts = [10, *[0] * 10]
    with (
        Progress(disable=True) as progress,
        pytest.raises(DownloadError, match=r"closed, 5 times.*10 bytes are in .*command to continue"),
    ):
        fetch(archive, tmp_path, progress)
    assert (tmp_path / "a.zip.part").stat().st_size == 10


def test_wrong_checksum_is_removed_and_not_unpacked(server: Server, tmp_path: Path) -> None:
    archive = server.archive("a.zip", zipped({"a.txt": b"a"}), "0" * 64)
    with pytest.raises(DownloadError, match=r"checksum is wrong: SHA-256 .*, expected 0000.*removed"):
        download("x", tmp_path, ["p"], {"x": {"p": archive}})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["../evil.txt", "/tmp/evil.txt", "a/../../evil.txt"])
@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_refuses_to_write_outside(server: Server, tmp_path: Path, path: str, kind: str) -> None:
    files = {"good.txt": b"good", path: b"evil"}
    content = zipped(files) if kind == "zip" else tar(files)
    root = tmp_path / "root"
    name = "a.zip" if kind == "zip" else "a.tar.gz"
    absolute_is_made_relative = kind == "gz" and path.startswith("/")  # what tarfile's data filter does
    archives = {"x": {"p": server.archive(name, content)}}
    if absolute_is_made_relative:
        download("x", root, ["p"], archives)
        assert (root / "tmp/evil.txt").is_file()
    else:
        with pytest.raises(DownloadError, match="would write outside its folder"):
            download("x", root, ["p"], archives)
        assert [p.name for p in root.iterdir()] == [name]
    assert not (tmp_path / "evil.txt").exists()
    assert not Path("/tmp/evil.txt").exists()


def test_a_full_disk_leaves_nothing_half_unpacked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archives = {"x": {"p": server.archive("a.tar.gz", tar({"a/one.txt": b"1", "a/two.txt": b"2"}))}}
    original, count = tarfile.TarFile.makefile, iter(range(9))

    def second_fails(self: tarfile.TarFile, *args: object) -> None:
        if next(count):
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(tarfile.TarFile, "makefile", second_fails)
    with pytest.raises(DownloadError, match=r"disk of .* is full. Free some space and run the same command again"):
        download("x", tmp_path, ["p"], archives)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]
    monkeypatch.undo()
    download("x", tmp_path, ["p"], archives)
    assert (tmp_path / "a" / "two.txt").read_bytes() == b"2"


def test_too_little_room_is_known_beforehand(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = server.archive("a.zip", bytes(5000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    with pytest.raises(DownloadError, match=r"needs 0.0 GB more.*0.0 GB free"):
        download("x", tmp_path, ["p"], {"x": {"p": archive}})


def test_errors_of_the_server(server: Server, tmp_path: Path) -> None:
    gone = Archive(f"http://127.0.0.1:{server.server_port}/gone.zip", "0" * 64)
    with Progress(disable=True) as progress:
        with pytest.raises(DownloadError, match=r"gone.zip: the server answered 404"):
            fetch(gone, tmp_path, progress)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = Archive(f"http://127.0.0.1:{free.getsockname()[1]}/a.zip", "0" * 64)
            with pytest.raises(DownloadError, match=r"refused, 5 times in a row"):
                fetch(closed, tmp_path, progress)


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"There is no download for 'mini'.*vctk"):
        download("mini", tmp_path)
    with pytest.raises(DownloadError, match=r"no part 'train-clean-10'. Did you mean 'train-clean-100'"):
        download("librispeech", tmp_path, ["train-clean-10"])


def test_the_table_is_complete() -> None:
    assert set(ARCHIVES["cmu_arctic"]) == set(VOICES)
    assert set(DEFAULT_PARTS) == set(ARCHIVES)
    for corpus, parts in ARCHIVES.items():
        assert set(DEFAULT_PARTS[corpus]) <= set(parts)
        for archive in parts.values():
            assert len(bytes.fromhex(archive.sha256)) == 32
            assert archive.url.startswith("http")
    digests = [archive.sha256 for parts in ARCHIVES.values() for archive in parts.values()]
    assert len(digests) == len(set(digests))
