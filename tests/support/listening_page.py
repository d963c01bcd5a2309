"""Drive the page of a listening test as a listener would, by keyboard; and the collecting server in a thread."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.answers.key import Key
from vcbench.listening.answers.session import Session, read_session

TESTS = ["mos", "similarity-mos", "preference", "mushra", "cmos", "abx", "bws"]


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
    elif test == "bws":
        for end, place in (("most", 1 + number % 2), ("least", 2 - number % 2)):
            tab_to(page, f"sounds {end} natural$")
            press(page, "Space")
            while page.evaluate("document.activeElement.ariaLabel") != f"Recording {place} sounds {end} natural":
                press(page, "ArrowDown")
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
    """All pages after the opening ones, to the end, or to the first page of the test that the end leads to."""
    number = 0
    while (title := page.locator("h1").inner_text()) not in ("Thank you", "Taking part"):
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


def kept_pages(page: Any) -> dict[str, Any]:
    """The pages of the session in the browser's storage."""
    text = page.evaluate("localStorage.getItem(Object.keys(localStorage).find(key => key.endsWith(':session')))")
    pages: dict[str, Any] = json.loads(text)["pages"]
    return pages


def consent_and_volume(page: Any) -> None:
    heading(page, "Taking part")
    page.get_by_label("I agree").check()
    page.get_by_role("button", name="Continue").click()
    if "Your hearing" in page.locator("h1").filter(has_not_text="Taking part").inner_text():
        go_on(page)
    heading(page, "Volume")
    page.get_by_role("button", name="Play Sample").click()
    page.locator(".heard:not(:empty)").wait_for()
    go_on(page)
