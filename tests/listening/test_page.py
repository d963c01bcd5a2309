"""Drive the page in headless Chromium as a listener would: by keyboard, from file:// and from the collecting server."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_helpers import make_run
from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import Key, open_key
from vcbench.listening.answers.session import Session, checksum, read_session
from vcbench.listening.design.build import build
from vcbench.listening.options import Options

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")


uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")


TESTS = ["mos", "similarity-mos", "preference", "mushra"]


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
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--mute-audio"])
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    """A browser with empty storage."""
    made = browser.new_context(viewport={"width": 1100, "height": 900}, accept_downloads=True)
    made.set_default_timeout(30_000)
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


class Server:
    """The collecting server in a thread of this process."""

    def __init__(self, bundle: Bundle, results: Path) -> None:
        from vcbench.listening.answers.server import make_app

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}/"
        config = uvicorn.Config(make_app(bundle, results), host="127.0.0.1", port=port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> Server:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Any, name: str) -> None:
    """Press Tab until a control with this accessible name has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(e => e.ariaLabel || e.labels?.[0]?.innerText || e.innerText || '')(document.activeElement)"
        )
        if re.search(name, focused):
            return
    raise AssertionError(f"Tab never reached {name!r}")


def heading(page: Any, text: str) -> None:
    """Wait for a page; its heading has the focus, so that a screen reader starts there."""
    page.locator("h1", has_text=text).wait_for()
    assert page.evaluate("document.activeElement.tagName") == "H1"


def come_in(page: Any, address: str, listener: int = 1) -> None:
    """From the first page to the volume page, using only the keyboard."""
    page.goto(address)
    heading(page, "Welcome")
    tab_to(page, "listener number")
    page.keyboard.type(str(listener))
    press(page, "Enter")
    heading(page, "Taking part")
    tab_to(page, "I agree")
    press(page, "Space")
    tab_to(page, "Continue")
    press(page, "Enter")


def begin(page: Any, address: str, listener: int = 1) -> None:
    """From the first page to the first rating page, using only the keyboard."""
    come_in(page, address, listener)
    heading(page, "Volume")
    tab_to(page, "Play Sample")
    press(page, "Space")
    page.locator(".heard:not(:empty)").wait_for()
    tab_to(page, "Continue")
    press(page, "Enter")
    heading(page, "What to do")
    tab_to(page, "Continue")
    press(page, "Enter")
    heading(page, "Practice page 1")


def listen(page: Any) -> None:
    """Play every clip fully, one after the other."""
    for index in range(page.locator(".play").count()):
        name = page.locator(".play").nth(index).get_attribute("aria-label").removeprefix("Play ")
        tab_to(page, f"^Play {name}$")
        press(page, "Space")
        page.locator(".clip").nth(index).locator(".heard:not(:empty)").wait_for()


def rate(page: Any, test: str, number: int) -> None:
    """Rate a whole page, using only the keyboard; every slider is above 90, so that nobody is left out."""
    if test == "mushra":
        for index in range(page.locator(".row input").count()):
            tab_to(page, f"^Rating of Recording {index + 1},")
            press(page, "End", *["ArrowLeft"] * (index + number % 3))
    else:
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.type") != "radio":
            page.keyboard.press("Tab")
        press(page, "Space", *["ArrowRight"] * (number % 3))


def go_on(page: Any) -> None:
    title = page.locator("h1").inner_text()
    tab_to(page, "Continue")
    press(page, "Enter")
    page.locator("h1").filter(has_not_text=title).wait_for()


def session_of(page: Any, test: str) -> None:
    """All pages after the opening ones, to the end."""
    number = 0
    while "Thank you" not in (title := page.locator("h1").inner_text()):
        if "begins" not in title:
            listen(page)
            rate(page, test, number)
            number += 1
        go_on(page)


def download(page: Any, name: str = "Download the answers") -> bytes:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    return Path(waiting.value.path()).read_bytes()


def check(key: Key, path: Path) -> Session:
    """Check a complete session, which the analysis accepts."""
    result = read_session(path.read_bytes())
    key.bundle.check(result)
    analysis = analyse_test(key, [path])
    given = {answer.clip: answer.rating for answer in result.answers}
    assert dict(zip(analysis.counted["clip"], analysis.counted["rating"], strict=True)) == given
    assert analysis.after.listeners == 1
    assert len(given) > 1
    assert result.complete
    assert all(given.heard and given.plays >= 1 for given in [*result.answers, *result.training])
    assert result.ended is not None
    assert result.started < result.consented < result.answers[0].rated < result.ended  # type: ignore[operator]
    return result


CONTROLS = "[...document.querySelectorAll('main input')].map(one => [one.checked, one.value, one.disabled])"


NAMES = """[...document.querySelectorAll("button, input, progress")].map((control) =>
  control.ariaLabel || control.labels?.[0]?.innerText || control.innerText
  || document.getElementById(control.getAttribute("aria-labelledby"))?.innerText)"""


@pytest.mark.parametrize("test", TESTS)
def test_a_session_by_keyboard_from_a_file_with_a_reload_in_the_middle(
    page: Any, keys: dict[str, Key], test: str, tmp_path: Path
) -> None:
    begin(page, (keys[test].bundle.folder / "index.html").as_uri(), 2)
    names = page.evaluate(NAMES)
    assert all(names)
    assert len(set(names)) == len(names) > 4
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.locator("main, [role=status], [role=alert]").count() == 3
    listen(page)
    rate(page, test, 1)
    before = kept_pages(page), page.evaluate(CONTROLS)
    page.reload()
    heading(page, "Practice page 1")
    assert (kept_pages(page), page.evaluate(CONTROLS)) == before
    go_on(page)
    session_of(page, test)
    (tmp_path / "answers.json").write_bytes(download(page))
    result = check(keys[test], tmp_path / "answers.json")
    assert result.listener == 2
    assert len({given.rating for given in result.answers}) > 1


@pytest.mark.parametrize("test", ["similarity-mos", "mushra"])
def test_a_session_is_collected_by_the_server(page: Any, keys: dict[str, Key], test: str, tmp_path: Path) -> None:
    with Server(keys[test].bundle, tmp_path) as server:
        begin(page, server.address)
        session_of(page, test)
        page.locator(".outcome", has_text="have arrived").wait_for()
        page.reload()
        page.locator(".outcome", has_text="have arrived").wait_for()
    (kept,) = tmp_path.iterdir()
    assert check(keys[test], kept).listener == 1


def kept_pages(page: Any) -> dict[str, Any]:
    """The pages of the session in the browser's storage."""
    text = page.evaluate("localStorage.getItem(Object.keys(localStorage).find(key => key.endsWith(':session')))")
    pages: dict[str, Any] = json.loads(text)["pages"]
    return pages


def test_nothing_is_rated_before_it_is_heard(page: Any, bundles: dict[str, Bundle]) -> None:
    begin(page, (bundles["similarity-mos"].folder / "index.html").as_uri())
    status = page.get_by_role("status")
    assert all(not choice.is_enabled() for choice in page.get_by_role("radio").all())
    page.get_by_role("button", name="Continue").click()
    assert "Please listen to all of: The speaker, Recording." in status.inner_text()
    page.get_by_role("button", name="Play The speaker").click()
    page.get_by_role("button", name="Stop The speaker").click()  # not fully
    page.get_by_role("button", name="Play Recording").click()
    page.locator(".clip").nth(1).locator(".heard:not(:empty)").wait_for()
    assert all(not choice.is_enabled() for choice in page.get_by_role("radio").all())
    page.get_by_role("button", name="Continue").click()
    assert "Please listen to all of: The speaker." in status.inner_text()
    page.get_by_role("button", name="Play The speaker").click()
    page.locator(".clip").nth(0).locator(".heard:not(:empty)").wait_for()
    page.get_by_role("button", name="Continue").click()
    assert "Please choose an answer." in status.inner_text()


def test_an_untouched_slider_is_no_rating(page: Any, bundles: dict[str, Bundle]) -> None:
    begin(page, (bundles["mushra"].folder / "index.html").as_uri())
    sliders = page.get_by_role("slider")
    assert not any(slider.is_enabled() for slider in sliders.all())
    listen(page)
    assert all(slider.is_enabled() for slider in sliders.all())
    assert {slider.get_attribute("aria-valuetext") for slider in sliders.all()} == {"not rated yet"}
    for slider in sliders.all()[1:]:
        slider.press("End")
    sliders.nth(1).press("Home")
    page.get_by_role("button", name="Continue").click()
    assert "Please rate: Recording 1." in page.get_by_role("status").inner_text()
    (clips,) = kept_pages(page).values()
    ratings = [clip["rating"] for code, clip in clips["clips"].items() if code]
    assert ratings == [None, 0, *[100] * (len(ratings) - 2)]
    sliders.nth(0).click()  # the exact middle, where it already is
    assert sliders.nth(0).get_attribute("aria-valuetext") == "50"
    page.get_by_role("button", name="Continue").click()
    heading(page, "The test begins")


FILL = """() => {
  for (let size = 2 ** 21; size >= 1; size /= 2) {
    try { for (;;) localStorage.setItem(`fill${size}.${localStorage.length}`, "x".repeat(size)); } catch {}
  }
}"""


def test_a_full_storage_is_said_and_loses_nothing(page: Any, bundles: dict[str, Bundle]) -> None:
    bundle = bundles["mos"]
    begin(page, (bundle.folder / "index.html").as_uri())
    listen(page)
    page.evaluate(FILL)
    page.get_by_role("radio").nth(1).check()
    alert = page.get_by_role("alert")
    assert "Your browser cannot save your answers" in alert.inner_text()
    partial = read_session(download(page, "Download the answers so far"))
    bundle.check(partial)
    assert (partial.training[0].rating, partial.complete, partial.ended) == (2, False, None)
    assert all(given.untouched and given.shown is None for given in partial.answers)
    page.evaluate(
        "Object.keys(localStorage).filter(key => key.startsWith('fill')).forEach(key => localStorage.removeItem(key))"
    )
    page.get_by_role("button", name="Try again").click()
    assert alert.inner_text() == ""
    page.reload()
    heading(page, "Practice page 1")
    assert page.get_by_role("radio").nth(1).is_checked()


def test_the_session_is_in_one_tab_at_a_time(context: Any, page: Any, bundles: dict[str, Bundle]) -> None:
    address = (bundles["mos"].folder / "index.html").as_uri()
    begin(page, address)
    listen(page)
    second = context.new_page()
    second.goto(address)
    heading(second, "Practice page 1")
    heading(page, "open in another tab")
    assert page.get_by_role("radio").count() == 0
    listen(second)
    second.get_by_role("radio").nth(2).check()
    page.get_by_role("button", name="Continue here instead").click()
    heading(page, "Practice page 1")
    assert page.get_by_role("radio").nth(2).is_checked()
    heading(second, "open in another tab")


def test_another_listener_starts_afresh_and_a_wrong_number_not_at_all(page: Any, bundles: dict[str, Bundle]) -> None:
    address = (bundles["mos"].folder / "index.html").as_uri()
    begin(page, address, 1)
    page.goto(f"{address}?listener=3")
    heading(page, "Welcome")
    press(page, *["Tab"] * 2, "Enter")
    assert "a whole number from 1 to 2" in page.get_by_role("status").inner_text()
    page.get_by_label("listener number").fill("2")
    press(page, "Enter")
    heading(page, "Taking part")
    page.goto(f"{address}?listener=1")
    page.get_by_role("button", name="Start").click()
    heading(page, "Practice page 1")


def test_german_is_spoken_and_told(page: Any, bundles: dict[str, Bundle]) -> None:
    page.goto((bundles["mos"].folder / "index.html").as_uri() + "?listener=1")
    page.get_by_label("Language").select_option("de")
    heading_text = page.locator("h1")
    heading_text.filter(has_text="Willkommen").wait_for()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_role("button", name="Beginnen").click()
    heading_text.filter(has_text="Teilnahme").wait_for()
    page.reload()
    heading_text.filter(has_text="Teilnahme").wait_for()


def test_a_missing_clip_is_said_and_can_be_tried_again(page: Any, bundles: dict[str, Bundle]) -> None:
    page.route("**/clips/*.js", lambda route: route.abort())
    come_in(page, (bundles["mos"].folder / "index.html").as_uri())
    heading(page, "A recording cannot be loaded")
    page.unroute("**/clips/*.js")
    page.get_by_role("button", name="Try again").click()
    heading(page, "Volume")
    assert page.get_by_role("button", name="Try again").count() == 0


def test_answers_that_cannot_be_sent_are_sent_again(page: Any, keys: dict[str, Key], tmp_path: Path) -> None:
    with Server(keys["mos"].bundle, tmp_path) as server:
        begin(page, server.address)
        page.route("**/answers", lambda route: route.abort())
        session_of(page, "mos")
        page.locator(".outcome", has_text="could not be sent").wait_for()
        assert list(tmp_path.iterdir()) == []
        page.unroute("**/answers")
        page.get_by_role("button", name="Send again").click()
        page.locator(".outcome", has_text="have arrived").wait_for()
    (kept,) = tmp_path.iterdir()
    check(keys["mos"], kept)


SWITCH = """async () => {
  const rate = 48000;
  const context = new OfflineAudioContext(1, rate, rate);
  const resume = context.resume.bind(context);
  context.resume = () => {};
  const level = (value) => {
    const buffer = context.createBuffer(1, 0.3 * rate, rate);
    buffer.getChannelData(0).fill(value);
    return buffer;
  };
  const player = new vcbench.Player(context, true);
  player.add("a", level(0.5), { plays: 0, heard: false });
  player.add("b", level(0.25), { plays: 0, heard: false });
  player.play("a");
  context.suspend(0.4).then(() => { player.play("b"); resume(); });
  const rendered = (await context.startRendering()).getChannelData(0);
  clearInterval(player.timer);
  return Array.from(rendered);
}"""


def test_switching_in_mushra_has_no_gap_and_no_click(scripts: Any) -> None:
    """Two clips of constant level, looping every 0.3 s: only the switch at 0.4 s may change the output, for 10 ms."""
    rendered = scripts.evaluate(SWITCH)
    started, switched, settled = round(0.02 * 48000), round(0.4 * 48000), round(0.411 * 48000)
    assert set(rendered[started:switched]) == {0.5}
    assert set(rendered[settled:]) == {0.25}
    steps = [abs(after - before) for before, after in zip(rendered[started:], rendered[started + 1 :], strict=False)]
    assert 0.001 < max(steps) < 0.005
    assert sum(sample < 0.01 for sample in rendered[switched:settled]) < 48  # 1 ms


def test_a_clip_is_heard_when_all_of_it_was(scripts: Any) -> None:
    heard = scripts.evaluate(
        """() => [[[0, 2]], [[0, 1]], [[1, 2]], [[0, 1], [1, 2]], [[1, 2], [0, 1]], [[0, 0.9], [1, 2]],
             [[0, 0.5], [1.5, 2], [0.4, 1.6]]].map((spans) => {
          const coverage = new vcbench.Coverage();
          spans.forEach(([from, to]) => coverage.add(from, to));
          return coverage.covers(2);
        })"""
    )
    assert heard == [True, False, False, True, True, False, True]


def test_the_checksum_is_the_one_of_everywhere(scripts: Any) -> None:
    texts = ["", "abc", *("x" * length for length in (54, 55, 56, 63, 64, 65, 1000)), 'ü "\\\n\u2028😀\x01\x7f']
    assert scripts.evaluate("texts => texts.map(vcbench.sha256)", texts) == [
        hashlib.sha256(text.encode()).hexdigest() for text in texts
    ]
    document = {"b": [1, None, True, {"z": texts[-1], "a": []}], "a": {"é": -5, "e": "x"}, "checksum": "not included"}
    inside = {key: value for key, value in document.items() if key != "checksum"}
    assert scripts.evaluate("d => vcbench.sha256(vcbench.canonical(d))", inside) == checksum(document)
