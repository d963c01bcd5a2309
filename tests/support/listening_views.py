"""Every view of the page of a listening test, one after the other, without playing anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.listening_crowd import Clock, arrive, make_study
from tests.support.listening_server import Server
from vcbench.listening.answers.bundle import Bundle

GO_TO = """([step, state]) => {
  const key = Object.keys(localStorage).find((name) => name.endsWith(":session"));
  localStorage.setItem(key, JSON.stringify({ ...JSON.parse(localStorage.getItem(key)), ...state, step }));
}"""


def settle(page: Any) -> None:
    """Wait until a view is there with all that it loads: until then there is no heading, or one alone."""
    page.locator("h1").wait_for()
    page.wait_for_function("!document.querySelector('#page h1:only-child')")


def go_to(page: Any, step: int, **state: Any) -> None:
    page.evaluate(GO_TO, [step, state])
    page.reload()
    settle(page)


def views(page: Any, bundle: Bundle, results: Path, language: str) -> Iterator[str]:
    """Show each view of a crowd's session in turn; yields its name."""
    study = make_study(bundle, results, Clock(), quota=1, headphones="record", hearing=True, completion="C1A2B3")
    with Server(bundle, results, study) as server:
        page.goto(f"{server.address}?lang={language}")
        settle(page)
        yield "welcome"
        page.get_by_role("button").first.click()
        page.locator("#status.complaint").wait_for()
        yield "complaint"
        page.goto(f"{server.address}?lang={language}&pid=anna")
        settle(page)
        yield "consent"
        tested = {"consented": "2030-01-02T03:04:05.678Z"}
        training = len(bundle.sheets["1"]["training"])
        for step, name in enumerate(("hearing", "volume", "headphones"), 1):
            go_to(page, step, **tested)
            yield name
        go_to(page, 3, headphones={"attempts": 2, "right": 0, "number": 1})
        yield "headphones-trial"
        go_to(page, 4)
        yield "instructions"
        go_to(page, 5 + training)
        yield "begin"
        go_to(page, 6 + training)
        yield "rating"
        page.route("https://panel.example/", lambda route: route.fulfill(status=204))  # the page stays
        go_to(page, 6 + training, stopped={"ending": {"url": "https://panel.example/"}})
        yield "stopped"
        page.goto(f"{server.address}?lang={language}&pid=bert")
        settle(page)
        yield "closed"
        page.route("**/arrive", lambda route: route.fulfill(json={**arrive(study, "anna"), **DONE}))
        page.goto(f"{server.address}?lang={language}&pid=carl")
        settle(page)
        yield "end"
        page.unroute("**/arrive")


DONE = {"participant": "0" * 20, "state": "complete", "ending": {"code": "C1A2B3"}}
