"""pymushra serves a bundle's webMUSHRA configuration and stores a session of it, codes unchanged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from listening_helpers import make_run

from vcbench.listening.bundle import build
from vcbench.listening.options import Options


def webmushra_session(config: dict[str, Any]) -> dict[str, Any]:
    """What webMUSHRA posts at the end of a session of single-stimulus pages, each rated 4."""
    random = next(page for page in config["pages"] if isinstance(page, list))
    pages = [page for one in random[1:] for page in (one if isinstance(one, list) else [one])]
    trials = [
        {
            "id": page["id"],
            "type": page["type"],
            "responses": [{"stimulus": code, "stimulusRating": ["4"], "time": 900} for code in page["stimuli"]],
        }
        for page in pages
    ]
    for trial in trials:
        trial["testId"] = config["testId"]
    participant = {"name": ["listener_id"], "response": ["1"]}
    return {"testId": config["testId"], "config": "listener_001.yaml", "participant": participant, "trials": trials}


def test_pymushra_stores_a_session(tmp_path: Path) -> None:
    program = shutil.which("pymushra")
    if program is None:
        pytest.skip("needs pymushra on the PATH: pip install pymushra, in an environment of its own")
    options = Options(2, 2, 2, rows=("flowvc", "again_vc"))
    build(make_run(tmp_path / "run", trials=3), "mos", tmp_path / "mos", options)
    config = yaml.safe_load((tmp_path / "mos" / "webmushra" / "listener_001.yaml").read_text())
    shutil.copytree(tmp_path / "mos", tmp_path / "tree" / "configs" / config["testId"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "-w", "tree", "-d", "db.json", "server", "-p", str(port)]
    server = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        served = get(f"http://127.0.0.1:{port}/configs/{config['testId']}/webmushra/listener_001.yaml")
        assert yaml.safe_load(served) == config
        session = webmushra_session(config)
        body = urllib.parse.urlencode({"sessionJSON": json.dumps(session)}).encode()
        reply = json.loads(
            urllib.request.urlopen(f"http://127.0.0.1:{port}/service/write.php", body, timeout=20).read()
        )
        assert reply["error"] is False
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    stored = list(json.loads((tmp_path / "db.json").read_text())[config["testId"]].values())
    assert [trial["id"] for trial in stored] == [trial["id"] for trial in session["trials"]]
    expected = [given["stimulus"] for trial in session["trials"] for given in trial["responses"]]
    assert [given["stimulus"] for trial in stored for given in trial["responses"]] == expected
    assert {trial["questionaire"]["listener_id"] for trial in stored} == {1}


def get(address: str) -> bytes:
    """The content, as soon as the server is up."""
    for _ in range(200):
        try:
            content: bytes = urllib.request.urlopen(address, timeout=20).read()
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.1)
        else:
            return content
    raise AssertionError("pymushra never came up")
