"""The report in a browser: listening by keyboard, sorting, narrow screens, and accessibility."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vcbench.run.run import Run

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra `test`)")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

WIDTHS = [360, 768, 1440]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong unseen."""
    opened = browser.new_page()
    opened.set_default_timeout(60_000)
    troubles: list[str] = []
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("requestfailed", lambda request: troubles.append(request.url))
    opened.troubles = troubles
    yield opened
    opened.close()


def opened(tab: Any, run: Run, page: str, name: str = "report.html") -> None:
    tab.goto((run.folder / name).as_uri())
    tab.locator("#tiles li").first.wait_for()


def playing(tab: Any) -> list[str]:
    return [
        name.split(",")[0]
        for name in tab.locator(".play[aria-label^=Pause]").evaluate_all(
            "all => all.map(one => one.ariaLabel.replace(/^Pause /, ''))"
        )
    ]


def test_one_recording_plays_at_a_time_and_the_keyboard_switches(tab: Any, run: Run, page: str) -> None:
    opened(tab, run, page)
    tab.locator("#player").focus()
    tab.keyboard.press("1")
    tab.locator(".play[aria-label^='Pause source']").wait_for()
    tab.keyboard.press("3")
    tab.locator(".play[aria-label^='Pause a<b&c']").wait_for()
    assert playing(tab) == ["a<b&c"]
    tab.keyboard.press("Space")
    tab.locator(".play[aria-label^=Pause]").wait_for(state="detached")
    tab.keyboard.press("ArrowRight")
    tab.locator(".play[aria-label^='Pause two']").wait_for()
    before = tab.locator("#about").inner_text()
    tab.keyboard.press("n")
    assert tab.locator("#about").inner_text() != before
    assert playing(tab) == []
    tab.keyboard.press("p")
    assert tab.locator("#about").inner_text() == before
    assert tab.troubles == []


def test_trials_are_sorted_and_filtered(tab: Any, run: Run, page: str) -> None:
    opened(tab, run, page)
    trials = run.trials
    names = "all => all.map(one => one.innerText.split(':')[0])"
    tab.locator("[name=order]").select_option("list")
    assert tab.locator("#trial option").evaluate_all(names) == list(trials["trial"])
    tab.locator("[name=condition]").select_option(label="unseen->unseen")
    assert tab.locator("#trial option").evaluate_all(names) == ["t6", "t7"]
    assert tab.locator("#count").inner_text() == "1 of 2"
    tab.locator("[name=condition]").select_option(label="all")
    speaker = trials["source_speaker"].iloc[0]
    tab.locator("[name=speaker]").select_option(label=speaker)
    own = trials[(trials["source_speaker"] == speaker) | (trials["target_speaker"] == speaker)]
    assert tab.locator("#trial option").evaluate_all(names) == list(own["trial"])
    tab.locator("[name=speaker]").select_option(label="all")
    orders = {}
    for order in ("best", "worst"):
        tab.locator("[name=order]").select_option(order)
        orders[order] = tab.locator("#trial option").evaluate_all(names)
    assert sorted(orders["best"]) == list(trials["trial"])
    scores = pd.read_parquet(run.files.scores("Made"))
    own = scores[(scores["column"] == "similarity_x") & scores["system"].isin(run.systems)]
    means = own.groupby("trial")["value"].mean()
    assert (np.diff(means[orders["worst"]]) > -1e-3).all()  # the page has rounded values
    assert (np.diff(means[orders["best"]]) < 1e-3).all()


def test_a_failed_conversion_says_so_where_it_would_play(tab: Any, run: Run, page: str) -> None:
    opened(tab, run, page)
    tab.locator("[name=order]").select_option("list")
    tab.locator("#trial").select_option("7")
    assert "failed: <i>broken</i> in x" in tab.locator("#tiles").inner_text()
    assert tab.locator("#tiles .play").count() == 4


def test_headings_sort_the_first_table(tab: Any, run: Run, page: str) -> None:
    opened(tab, run, page)
    first = tab.locator("#key tbody").first.locator("th").first
    tab.get_by_role("button", name="Similarity to target").click()
    assert first.inner_text().startswith("two")
    assert tab.locator("#key thead th[aria-sort]").get_attribute("aria-sort") == "descending"
    tab.get_by_role("button", name="Similarity to target").click()
    assert first.inner_text().startswith("a<b&c")


def test_the_mailed_file_plays_away_from_its_run(tab: Any, single: str, tmp_path: Path) -> None:
    (tmp_path / "mailed.html").write_text(single)
    tab.goto((tmp_path / "mailed.html").as_uri())
    tab.locator("#player").focus()
    tab.keyboard.press("3")
    tab.locator(".play[aria-label^='Pause a<b&c']").wait_for()
    assert tab.locator("#tiles img").evaluate_all("all => Promise.all(all.map(one => one.decode()))") is not None
    assert tab.troubles == []


def test_a_report_away_from_its_run_says_why_it_is_silent(tab: Any, page: str, tmp_path: Path) -> None:
    (tmp_path / "alone.html").write_text(page)
    tab.goto((tmp_path / "alone.html").as_uri())
    tab.locator("#player").focus()
    tab.keyboard.press("1")
    tab.locator("#trouble", has_text="vcbench report --single-file").wait_for()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen_and_axe_finds_nothing_serious(
    browser: Any, run: Run, page: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe-core: `pip install axe-playwright-python`"
    )
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    tab.set_default_timeout(120_000)
    opened(tab, run, page)
    tab.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    violations = axe.Axe().run(tab).response["violations"]
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]
    tab.close()
    assert serious == []
