"""Every view of the page: no finding of axe-core, nothing wider than the screen, in light and dark, left to right and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.listening_page import heading
from tests.support.listening_views import views
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.texts import languages, texts

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")
WIDTHS = [360, 768, 1280]
WIDER = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const { left, right } = one.getBoundingClientRect();
  return right > innerWidth + 1 || left < -1;
}).map((one) => one.outerHTML.slice(0, 100))"""
TARGETS = """() => [...document.querySelectorAll("main button, main select, main input:not([type]), main a")].filter((one) => {
  const { width, height } = one.getBoundingClientRect();
  return width && (width < 24 || height < 24);
}).map((one) => one.outerHTML.slice(0, 100))"""


def findings(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['impact']}: {one['id']}: {one['nodes'][0]['html'][:150]}" for one in found]


@pytest.mark.parametrize(
    ("test", "language", "scheme"), [("mos", "en", "light"), ("mushra", "en", "dark"), ("preference", "ar", "light")]
)
def test_every_view_is_accessible(
    page: Any, bundles: dict[str, Bundle], tmp_path: Path, test: str, language: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    seen = []
    for name in views(page, bundles[test], tmp_path / "answers", language):
        seen.append(name)
        assert page.evaluate("document.documentElement.dir") == texts(language)["direction"]
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(WIDER) == [], (name, width)
            assert page.evaluate(TARGETS) == [], (name, width)
            assert findings(page) == [], (name, width)
    assert len(seen) == 13


def test_the_checks_find_what_is_wrong(page: Any, bundles: dict[str, Bundle]) -> None:
    page.goto((bundles["mos"].folder / "index.html").as_uri())
    heading(page, "Welcome")
    page.evaluate("document.querySelector('label[for=listener]').remove()")
    page.evaluate("document.querySelector('main').style.width = '2000px'")
    assert [one for one in findings(page) if one.startswith("critical: label")]
    assert page.evaluate(WIDER) != []


def test_dark_is_dark_and_light_is_light(page: Any, bundles: dict[str, Bundle]) -> None:
    page.goto((bundles["mos"].folder / "index.html").as_uri())
    heading(page, "Welcome")
    brightness = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
        brightness[scheme] = sum(map(int, re.findall(r"\d+", colour)[:3]))
    assert brightness["dark"] < 150 < 700 < brightness["light"]


def test_from_right_to_left_the_play_button_begins_at_the_right(page: Any, bundles: dict[str, Bundle]) -> None:
    page.goto((bundles["mos"].folder / "index.html").as_uri() + "?lang=ar")
    page.locator("h1").wait_for()
    assert page.evaluate("document.documentElement.lang") == "ar"
    label, right = page.evaluate(
        "['label', 'main'].map((name) => document.querySelector(name).getBoundingClientRect().right)"
    )
    assert right - label < 60


@pytest.mark.parametrize("language", languages())
def test_a_translation_has_all_texts_with_the_same_gaps(language: str) -> None:
    english, own = texts("en"), texts(language)
    assert own.keys() == english.keys()
    assert all(text.strip() for text in own.values())
    for key, text in own.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", english[key])), key
    assert own["direction"] in ("ltr", "rtl")
