"""Drive the page in headless Chromium as a listener would: by keyboard, from file:// and from the collecting server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_page import (
    TESTS,
    begin,
    check,
    come_in,
    download,
    go_on,
    heading,
    kept_pages,
    listen,
    press,
    rate,
    session_of,
)
from tests.support.listening_server import Server
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import Key
from vcbench.listening.answers.session import read_session

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")

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


@pytest.mark.parametrize("test", [pytest.param("similarity-mos", marks=pytest.mark.real_time), "mushra"])
def test_a_session_is_collected_by_the_server(page: Any, keys: dict[str, Key], test: str, tmp_path: Path) -> None:
    with Server(keys[test].bundle, tmp_path) as server:
        begin(page, server.address)
        session_of(page, test)
        page.locator(".outcome", has_text="have arrived").wait_for()
        page.reload()
        page.locator(".outcome", has_text="have arrived").wait_for()
    (kept,) = tmp_path.iterdir()
    assert check(keys[test], kept).listener == 1


@pytest.mark.real_time
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


def complaint(page: Any) -> str:
    """What the page says is still to be done; empty if it shows no complaint."""
    shown = page.locator("#status.complaint")
    return shown.inner_text() if shown.count() else ""


def test_a_complaint_goes_as_each_rating_is_given(page: Any, bundles: dict[str, Bundle]) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    begin(page, (bundles["mushra"].folder / "index.html").as_uri())
    listen(page)
    sliders = page.get_by_role("slider").all()
    names = [f"Recording {number}" for number in range(1, len(sliders) + 1)]
    page.get_by_role("button", name="Continue").click()
    for place, slider in enumerate(sliders):
        assert complaint(page) == f"Please rate: {', '.join(names[place:])}."
        slider.press("End")
    assert page.get_by_role("status").inner_text() == ""
    assert complaint(page) == ""
    page.get_by_role("button", name="Continue").click()
    heading(page, "The test begins")


@pytest.mark.parametrize("test", ["mos", "preference"])
def test_a_complaint_goes_with_the_answer(page: Any, bundles: dict[str, Bundle], test: str) -> None:
    begin(page, (bundles[test].folder / "index.html").as_uri())
    listen(page)
    page.get_by_role("button", name="Continue").click()
    assert complaint(page) == "Please choose an answer."
    page.get_by_role("radio").nth(1).check()
    assert page.get_by_role("status").inner_text() == complaint(page) == ""


def test_the_complaints_of_the_opening_pages_go(page: Any, bundles: dict[str, Bundle]) -> None:
    page.goto((bundles["mos"].folder / "index.html").as_uri())
    heading(page, "Welcome")
    field = page.get_by_label("listener number")
    field.fill("17")
    page.get_by_role("button", name="Start").click()
    assert complaint(page).startswith("Please enter your listener number")
    assert field.get_attribute("aria-invalid") == "true"
    field.fill("2")
    assert (complaint(page), field.get_attribute("aria-invalid")) == ("", None)
    page.get_by_role("button", name="Start").click()
    heading(page, "Taking part")
    page.get_by_role("button", name="Continue").click()
    assert complaint(page).startswith("Please tick the box")
    page.get_by_label("I agree").check()
    assert complaint(page) == ""
    page.get_by_role("button", name="Continue").click()
    heading(page, "Volume")
    page.get_by_role("button", name="Continue").click()
    assert complaint(page) == "Please listen to the whole sample."
    page.get_by_role("button", name="Play Sample").click()
    page.locator(".heard:not(:empty)").wait_for()
    assert complaint(page) == ""


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
