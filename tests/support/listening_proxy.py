"""A real reverse proxy in front of the collecting server: nginx or Caddy, as docs/listening-server.md sets them up."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "listening-server.md"
NGINX = """\
user root; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {server}
}}
"""


def recipe(language: str, number: int = 0) -> str:
    """A code block of the guide."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)[number]


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def make_certificate(folder: Path) -> None:
    subprocess.run(
        [
            program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
            "-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip


@contextmanager
def nginx(folder: Path, port: int, backend: int) -> Iterator[None]:
    """The guide's nginx recipe, with this machine's ports and a certificate of its own."""
    make_certificate(folder)
    text = recipe("nginx").replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;").replace(":8000", f":{backend}")
    text = text.replace("listening.example.org", "localhost")
    text = re.sub(r"ssl_certificate .*;", f"ssl_certificate {folder}/certificate.pem;", text)
    text = re.sub(r"ssl_certificate_key .*;", f"ssl_certificate_key {folder}/key.pem;", text)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, server=text))
    with _running([program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")], folder, port):
        yield


@contextmanager
def caddy(folder: Path, port: int, backend: int) -> Iterator[None]:
    """The guide's Caddyfile, with this machine's ports and Caddy's own certificates instead of Let's Encrypt's."""
    text = (
        recipe("caddyfile")
        .replace("listening.example.org", f"https://localhost:{port}")
        .replace(":8000", f":{backend}")
    )
    text = text.replace("{\n", "{\n    tls internal\n", 1)
    storage = f"storage file_system {folder}/storage\n"
    (folder / "Caddyfile").write_text(
        f"{{\n admin off\n skip_install_trust\n auto_https disable_redirects\n {storage}}}\n{text}"
    )
    command = [program("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with _running(command, folder, port):
        yield


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    log = (folder / "proxy.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"})
    start = time.monotonic()
    try:
        while not _answers(port):
            assert process.poll() is None, (folder / "proxy.log").read_text()
            assert time.monotonic() < start + 120, "the proxy did not start"
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _answers(port: int) -> bool:
    """Whether it has a certificate by now: Caddy opens its port first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            ssl._create_unverified_context().wrap_socket(plain, server_hostname="localhost").close()
    except OSError:
        return False
    return True
