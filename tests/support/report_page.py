"""A report to test: of a made-up run with everything in it, and a reader of its HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np

from vcbench.base.state import write_state
from vcbench.run.run import Run
from vcbench.speech import audio

SYSTEMS = ["a<b&c", "two"]

LEVEL = {"a<b&c": 0.6, "two": 0.7, "source": 0.2, "target": 0.9}


def add_the_rest(run: Run) -> None:
    """Recordings, training curves and a manifest."""
    wave = np.random.default_rng(0).normal(0, 0.1, 11025).astype(np.float32)
    for outcome in run.outcomes.itertuples():
        if not outcome.error:
            audio.write(run.folder / "converted" / outcome.system / f"{outcome.trial}.flac", wave, 22050)
    log = run.files.training_log("two")
    log.parent.mkdir(parents=True)
    log.write_text(
        '{"step": 1, "total": 2.0, "held_out_total": NaN}\n{"step": 2, "total": 1.0, "held_out_total": 1.5}\n'
    )
    manifest = {"versions": {"vcbench": "9.9"}, "git_commit": "abcdef0123456789+", "device": "CPU <one>"}
    manifest |= {"date": "2026-02-03", "trials": {"hash": "1234" * 16}, "wall_times": {"score": 300.0}}
    write_state(run.files.manifest, manifest)


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects tables, ids, links and text."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.data = ""  # of the script that holds it
        self.ids: list[str] = []
        self.links: list[str] = []
        self.classes: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("src", "href") if name in found]
        if tag == "table":
            self.tables.append([])
            self.classes.append(found.get("class", ""))
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.data = self.data or data
            return
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def words(text: str) -> str:
    return " ".join(text.split())
