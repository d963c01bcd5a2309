"""The page for a crowd, in headless Chromium: arrival, checks, a lost network, a reload, a second tab, and the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_crowd import Clock, arrive, finish, make_study, states
from tests.support.listening_page import consent_and_volume, go_on, heading, kept_pages, listen, rate, session_of
from tests.support.listening_server import Server
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import Key
from vcbench.listening.answers.session import Session, read_session
from vcbench.listening.collecting.crowd import Crowd
from vcbench.listening.collecting.study import Study

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")

IDS = "?PROLIFIC_PID=anna&STUDY_ID=s1&SESSION_ID=t1"


@pytest.fixture
def bundle(bundles: dict[str, Bundle]) -> Bundle:
    return bundles["mos"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "answers"


def enter(page: Any, server: Server, ids: str = IDS) -> None:
    """To the first practice page."""
    page.goto(server.address + ids)
    consent_and_volume(page)
    heading(page, "What to do")
    go_on(page)


def kept(results: Path) -> list[Session]:
    return [read_session(path.read_bytes()) for path in sorted(results.glob("participant_*.json"))]


def test_a_session_with_a_lost_network_a_reload_and_a_second_tab(
    page: Any, context: Any, bundle: Bundle, results: Path
) -> None:
    study = make_study(bundle, results, Clock(), completion="C1A2B3", hearing=True)
    with Server(bundle, results, study) as server:
        enter(page, server)
        listen(page)
        rate(page, "mos", 2)
        go_on(page)
        page.wait_for_function("fetch('collector.js')")  # the network is there; then it is not
        page.route("**/answers", lambda route: route.abort())
        page.route("**/arrive", lambda route: route.abort())
        while "begins" not in page.locator("h1").inner_text():
            listen(page)
            rate(page, "mos", 1)
            go_on(page)
        page.reload()  # without the server's word the page goes on with what the browser has
        heading(page, "The test begins")
        go_on(page)
        listen(page)
        rate(page, "mos", 2)
        before = kept_pages(page)
        page.unroute("**/answers")
        page.unroute("**/arrive")
        second = context.new_page()
        second.goto(server.address + IDS)
        heading(second, "Page 1")
        page.locator("h1", has_text="open in another tab").wait_for()
        assert kept_pages(second) == before
        session_of(second, "mos")
        second.locator(".code", has_text="C1A2B3").wait_for()
        assert second.get_by_role("button", name="Next listener").count() == 0
        (result,) = kept(results)
        assert result.complete
        given = {answer.clip: answer.rating for answer in (*result.training, *result.answers)}
        for known in before.values():
            for code, clip in known["clips"].items():
                assert clip["rating"] == given[code]
        assert (result.participant, result.listener) == (study.coder.code("anna"), 1)
        assert result.device is not None
        assert states(results) == []
        second.reload()
        second.locator(".code", has_text="C1A2B3").wait_for()


def test_the_end_of_one_test_leads_to_the_next(page: Any, bundles: dict[str, Bundle], tmp_path: Path) -> None:
    """The two parts of the Voice Conversion Challenge in one session: naturalness, then similarity."""
    folders = {test: tmp_path / test for test in ("mos", "similarity-mos")}
    for folder in folders.values():
        (folder / "participants").mkdir(parents=True)
        (folder / "participants" / "salt").write_text(64 * "5")
    last = make_study(bundles["similarity-mos"], folders["similarity-mos"], Clock(), completion="C1A2B3")
    with Server(last.bundle, folders["similarity-mos"], last) as similarity:
        then = f"{similarity.address}?pid={{pid}}&study={{study}}&session={{session}}"
        first = make_study(bundles["mos"], folders["mos"], Clock(), completion=then)
        with Server(first.bundle, folders["mos"], first) as naturalness:
            enter(page, naturalness)
            session_of(page, "mos")
            page.wait_for_url(f"{similarity.address}**")  # by itself
            consent_and_volume(page)
            heading(page, "What to do")
            go_on(page)
            session_of(page, "similarity-mos")
            page.locator(".code", has_text="C1A2B3").wait_for()
    (one,), (other,) = kept(folders["mos"]), kept(folders["similarity-mos"])
    assert one.complete
    assert other.complete
    assert (one.participant, one.listener) == (other.participant, other.listener)


def test_each_page_is_reported(page: Any, bundle: Bundle, results: Path) -> None:
    with Server(bundle, results, make_study(bundle, results, Clock())) as server:
        enter(page, server, "?pid=bert")
        listen(page)
        rate(page, "mos", 2)
        with page.expect_response("**/answers") as waiting:
            go_on(page)
        assert waiting.value.json()["state"] == "working"
        (state,) = states(results)
        assert [answer.rating is None for answer in state.training].count(False) == 1
        assert state.ended is None


def test_a_wrong_trap_ends_the_session(page: Any, keys: dict[str, Key], results: Path) -> None:
    bundle = keys["mos"].bundle
    traps: dict[str, dict[str, list[int]]] = {}
    for sheet in bundle.sheets.values():  # every page, as if it were a trap: only the rating 1 is right
        for shown in (page for turn in sheet["rounds"] for page in turn):
            traps.setdefault(shown["page"], {}).update({clip: [1] for clip in shown["order"]})
    study = Study(bundle, results, Crowd(stop_after=1), traps)
    with Server(bundle, results, study) as server:
        enter(page, server)
        while "begins" not in page.locator("h1").inner_text():
            listen(page)
            rate(page, "mos", 1)
            go_on(page)
        go_on(page)
        heading(page, "Page 1")
        listen(page)
        rate(page, "mos", 2)
        go_on(page)
        heading(page, "The test ends here")
        assert kept(results) == []
        assert len(states(results)) == 1


def test_who_has_no_place_no_id_or_only_a_preview(page: Any, bundle: Bundle, results: Path) -> None:
    study = make_study(bundle, results, Clock(), quota=1)
    with Server(bundle, results, study) as server:
        page.goto(server.address + "?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h")
        heading(page, "Preview")
        page.goto(server.address)
        heading(page, "Welcome")
        field = page.get_by_label("participant ID")
        field.fill("=1")
        page.get_by_role("button", name="Start").click()
        assert "only" in page.locator("#status.complaint").inner_text()
        field.fill("anna")
        assert page.locator("#status.complaint").count() == 0
        page.get_by_role("button", name="Start").click()
        heading(page, "Taking part")
        page.goto(server.address + "?workerId=bert&assignmentId=a")
        heading(page, "This test is closed")
        page.route("**/arrive", lambda route: route.abort())
        page.goto(server.address + "?pid=carl")
        heading(page, "The test cannot be reached")
        page.unroute("**/arrive")
        page.get_by_role("button", name="Try again").click()
        heading(page, "This test is closed")


def test_who_has_finished_sees_the_code_in_any_browser(page: Any, bundle: Bundle, results: Path) -> None:
    study = make_study(bundle, results, Clock(), completion="C1A2B3")
    finish(study, arrive(study, "anna"))
    with Server(bundle, results, study) as server:
        page.goto(server.address + IDS)
        heading(page, "Thank you")
        assert page.locator(".code").inner_text() == "C1A2B3"
