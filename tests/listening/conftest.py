"""Packages of every kind of test, and a browser to open them in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fast_playback import SCRIPT
from tests.support.listening_helpers import make_run
from tests.support.listening_page import TESTS
from tests.support.recordings import FakeRun
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import Key, open_key
from vcbench.listening.design.build import build
from vcbench.listening.kinds import KINDS
from vcbench.listening.options import Options


def options_of(test: str) -> Options:
    """Three items from six trials; one more is for training and, except in MUSHRA, two are for gold pages."""
    extras = {} if test == "mushra" else {"traps": int(test != "bws"), "gold": 2}
    return Options(
        items=3, listeners=3, per_item=2, seed=1, no_preference=True, contrast=("flowvc", "again_vc"), **extras
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module", params=list(KINDS))
def package(request: pytest.FixtureRequest, run: FakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / request.param
    build(run, request.param, out, options_of(request.param))
    return out


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    """One small test of each kind: two listeners, two items, two systems; clips are short because they are played."""
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=3, seconds=0.5)
    options = Options(items=2, listeners=2, per_item=1, rows=("flowvc", "again_vc"), no_preference=True)
    return {test: open_key(build(run, test, folder / test, options)) for test in TESTS}


@pytest.fixture(scope="module")
def bundles(keys: dict[str, Key]) -> dict[str, Bundle]:
    return {test: key.bundle for test, key in keys.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--mute-audio"])
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A browser with empty storage; it plays faster than in real time, unless the test is marked with `real_time`."""
    made = browser.new_context(viewport={"width": 1100, "height": 900}, accept_downloads=True)
    made.set_default_timeout(30_000)
    if request.node.get_closest_marker("real_time") is None:
        made.add_init_script(SCRIPT)
    yield made
    made.close()


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    """A page that fails the test if any of its scripts fails."""
    opened = context.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    yield opened
    assert failures == []


@pytest.fixture(scope="module")
def scripts(browser: Any, bundles: dict[str, Bundle]) -> Any:
    """A page for calling its scripts directly."""
    opened = browser.new_page()
    opened.goto((bundles["mos"].folder / "index.html").as_uri())
    return opened
