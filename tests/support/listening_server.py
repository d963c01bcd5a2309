"""The collecting server in a thread, and a client that sends what no browser would."""

from __future__ import annotations

import http.client
import socket
import threading
from pathlib import Path
from typing import Any

from vcbench.listening.answers.bundle import Bundle


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


class Client:
    """Sends requests to a server on this machine, byte for byte as given."""

    def __init__(self, port: int, results: Path) -> None:
        self.port, self.results = port, results

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=False, skip_accept_encoding=True)
            for name, value in {"Content-Length": str(len(body or b"")), **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def post(self, body: bytes) -> int:
        return self.ask("POST", "/answers", body)[0]

    def kept(self) -> list[Path]:
        return sorted(path for path in self.results.iterdir() if path.is_file())


class Server:
    """The collecting server in a thread of this process."""

    def __init__(
        self,
        bundle: Bundle,
        results: Path,
        study: Any = None,
        base_path: str = "",
        port: int | None = None,
        **limits: Any,
    ) -> None:
        from vcbench.listening.collecting.limits import Limits
        from vcbench.listening.collecting.server import Serving, make_server

        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}{base_path}/"
        serving = Serving(study, base_path, limits=Limits(**limits))
        self._server = make_server(bundle, results, "127.0.0.1", self.port, serving)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Server:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
