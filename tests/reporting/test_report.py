"""The report: what is on the page, what is not, and that it needs nothing else."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.support.made_up_run import TEXT, made_up_run
from vcbench.api.scores import Column
from vcbench.base.state import write_parquet, write_state
from vcbench.cli.verbs import report
from vcbench.reporting.comparisons import matrices
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.publish import tabulate
from vcbench.reporting.report.page import render
from vcbench.reporting.report.plots import COLOURS, cosines, intervals
from vcbench.reporting.report.trials import LEVELS, RANGE, choose, spectrogram
from vcbench.reporting.tables import text_tables
from vcbench.run.folder import RunError
from vcbench.run.run import Run
from vcbench.speech import audio

SYSTEMS = ["a<b&c", "two"]


LEVEL = {"a<b&c": 0.6, "two": 0.7, "source": 0.2, "target": 0.9}


SECTIONS = ["leaderboard", "intervals", "comparisons", "sanity", "distributions", "training", "listening"]


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


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = made_up_run(tmp_path_factory.mktemp("runs") / "full", SYSTEMS, LEVEL)
    add_the_rest(made)
    return made


@pytest.fixture(scope="module")
def board(run: Run) -> Leaderboard:
    return tabulate(run, {})


@pytest.fixture(scope="module")
def page(run: Run) -> str:
    """As the command line writes it."""
    return report(run.folder).read_text()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a run with one system and without recordings, curves, details, verification or a manifest; nothing failed."""
    run = made_up_run(tmp_path_factory.mktemp("runs") / "bare", ["one"], {"one": 0.5})
    run.prepared.model_copy(update={"rejected": ()}).write(run.files)
    table = pd.read_parquet(run.folder / "scores" / "Made.parquet")
    table = table[table["column"] == "wer"].assign(column="count", detail="{}", condition="seen->seen")
    write_parquet(run.files.scores("Made"), table)
    return report(run.folder).read_text()


class Reader(HTMLParser):
    """Checks that tags are balanced, and collects tables, ids, links and text."""

    VOID = ("meta", "img", "br", "link", "input", "hr")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
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
        self.text += data
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


def words(text: str) -> str:
    return " ".join(text.split())


def test_every_section_is_there_when_its_data_is(page: str) -> None:
    assert [found for found in re.findall(r'<h2 id="(\w+)"', page)] == SECTIONS
    assert page.count("<svg") == 3 + 3 + 1 + 1 + 1  # intervals, by condition, cosines, bands, training


def test_a_section_without_data_is_not_there(bare: str) -> None:
    assert re.findall(r'<h2 id="(\w+)"', bare) == ["leaderboard", "intervals"]
    assert re.findall(r'<a href="#(\w+)">', bare) == ["leaderboard", "intervals"]
    assert "<audio" not in bare
    assert "<summary>Versions" not in bare


@pytest.mark.parametrize("name", ["page", "bare"])
def test_the_page_is_balanced_and_needs_no_network(name: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(name)
    reader = Reader(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    assert "://" not in page
    assert not re.search(r"@import|<script|<link", page)


def test_text_is_escaped_wherever_it_comes_from(page: str) -> None:
    for raw in ("<script>", "<i>broken", "odd<one>", "a<b&c", "Cosine <x>", "<u>", "CPU <one>"):
        assert raw not in page
    text = Reader(page).text
    for shown in (TEXT, "<i>broken</i>", "odd<one>", "a<b&c", "Cosine <x>", "<u>a<b&c", "CPU <one>"):
        assert shown in text


def test_tables_hold_the_cells_of_the_text_tables(page: str, board: Leaderboard) -> None:
    reader = Reader(page)
    tables = [table for table, kind in zip(reader.tables, reader.classes, strict=True) if kind == "board"]
    expected = list(text_tables(board))
    assert len(tables) == len(expected) > 2
    for (head, *rows), printed in zip(tables, expected, strict=True):
        titles = [words(f"{one.title} {one.arrow}{one.marks}") for one in printed.headings]
        assert [words(cell) for cell in head] == ["system", *printed.count_titles, *titles]
        assert [[words(cell) for cell in row] for row in rows] == [
            [row.system, *row.counts]
            + [words(" ".join([cell.mean + cell.marks, cell.rank, cell.interval, cell.extra])) for cell in row.cells]
            for row in printed.rows
        ]
    bold = [cell.mean for printed in expected for row in printed.rows for cell in row.cells if cell.best]
    assert bold
    assert re.findall(r"<strong>(.*?)</strong>", page) == bold


def test_failures_and_rejected_recordings_are_told_without_this_machines_folders(page: str, run: Run) -> None:
    rows = [row for table in Reader(page).tables for row in table]
    assert ["two", "<i>broken</i> in x", "1: t7"] in rows
    assert ["odd<one>", "odd.flac: silent"] in rows
    for root in (run.folder.parent, run.corpus.root):  # the first contains the plugin too
        assert str(root) not in page


def test_sanity_says_that_the_order_holds_or_what_breaks_it(page: str, bare: str, tmp_path: Path) -> None:
    assert "The order holds." in page
    assert "The order" not in bare
    broken = made_up_run(tmp_path / "broken", SYSTEMS, LEVEL | {"two": 0.95, "a<b&c": 0.1})
    text = Reader(render(broken, tabulate(broken, {}))).text
    assert "The order holds" not in text
    assert text.count("two is not below real recordings of the target") == 2  # here and below the tables
    assert text.count("a<b&c is not above the unconverted source") == 2


def test_facts_of_the_run(page: str) -> None:
    text = words(Reader(page).text)
    for fact in (
        "Synthetic speech.",
        "abcdef012345 with uncommitted changes",
        "score 5 min",
        "vcbench 9.9",
        "2026-02-03",
        "seen->seen 6",
    ):
        assert fact in text
    assert 'systems.two.system="imported_audio"' in text


def test_recordings_play_from_the_runs_folder(page: str, run: Run) -> None:
    links = [unquote(link) for link in Reader(page).links if link.endswith(".flac")]
    assert len(links) == page.count('<audio controls preload="none"')
    assert all((run.folder / link).is_file() for link in links)
    assert sum(link.startswith("converted/a<b&c/") for link in links) == 6
    assert sum(link.startswith("report/") for link in links) == 6  # the references that the systems were given
    assert page.count('src="data:image/png') == page.count('alt="Mel spectrogram') == len(links)


def test_listening_shows_what_was_heard_and_what_failed(page: str, run: Run) -> None:
    chosen = choose(run.trials, run.config.seed)["trial"].tolist()
    assert "t7" in chosen  # one of two of its condition
    text = words(Reader(page).text)
    assert text.count("<u>two WER (%) 25.0") == len(chosen) - 1
    assert text.count("<u>a<b&c WER (%) 25.0") == len(chosen)
    assert text.count("failed: <i>broken</i> in x") == 1


def test_trials_are_chosen_by_the_seed_and_over_the_conditions() -> None:
    conditions = ["seen"] * 20 + ["mixed"] * 2 + ["unseen"] * 20
    trials = pd.DataFrame({"trial": [f"t{k:02d}" for k in range(42)], "condition": conditions})
    for seed in range(20):
        chosen = choose(trials, seed)
        assert chosen["condition"].value_counts().to_dict() == {"seen": 2, "mixed": 2, "unseen": 2}
        assert chosen["trial"].is_monotonic_increasing
        assert chosen.equals(choose(trials, seed))
    assert not choose(trials, 0).equals(choose(trials, 1))
    assert len(choose(trials.head(3), 0)) == 3


def test_a_matrix_says_of_each_pair_what_the_leaderboard_knows(board: Leaderboard, page: str) -> None:
    found = {matrix.title: matrix for matrix in matrices(board)}
    pair = found["Cosine <x>"].pairs["a<b&c", "two"]
    row = board.comparisons.query("condition == 'all' and column == 'similarity_x'").squeeze()
    assert pair.difference == f"\u2212{-row['difference']:.3f}"
    assert pair.p == "p < 0.001"
    assert row["p_holm"] < 0.001
    assert pair.better == "two"
    assert pair.common == 8
    assert f"{row['detectable']:.3f}" in found["Cosine <x>"].power
    equal = found["WER (%)"].pairs["a<b&c", "two"]
    assert (equal.difference, equal.better) == ("+0.0", "")
    text = words(Reader(page).text)
    assert f"{pair.difference} {pair.interval} p < 0.001, 8 trials two is better" in text
    assert "8 trials not told apart" in text


def test_a_spectrogram_has_low_bands_at_the_bottom_and_is_as_bright_as_it_is_loud() -> None:
    mel = np.full((8, 20), -9.0)
    mel[0], mel[1] = 1.0, 1.0 - RANGE / 2
    data = base64.b64decode(spectrogram(mel, loudest=1.0).removeprefix("data:image/png;base64,"))
    image = Image.open(io.BytesIO(data))
    levels = np.asarray(image)
    assert levels.shape == (8, 20)
    assert levels[-1].tolist() == [LEVELS - 1] * 20
    assert abs(int(levels[-2, 0]) - LEVELS / 2) <= 1
    assert (levels[:-2] == 0).all()
    assert sum(image.convert("RGB").getpixel((0, 7))) > sum(image.convert("RGB").getpixel((0, 0)))


def test_plots_take_their_colours_from_the_page(page: str) -> None:
    drawn = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "var(--series-1)" in drawn
    assert not [light for light, _ in COLOURS.values() if light in drawn]
    assert all(f"--{name}: {dark}" in page for name, (_, dark) in COLOURS.items())


def test_an_interval_plot_names_its_rows_and_leaves_out_those_without_a_value() -> None:
    cells = pd.DataFrame({"system": ["one", "source"], "mean": [0.5, 0.4], "low": [0.4, np.nan], "high": [0.6, np.nan]})
    svg = intervals(cells, Column("t", True, percent=True), ["one", "two", "source"], ["source"])
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert "one" in texts
    assert "two" not in texts
    assert "50" in texts  # percent, as in the tables


def test_cosines_that_are_all_the_same_are_drawn() -> None:
    cells = pd.DataFrame({"system": ["one"], "mean": [1.0], "low": [1.0], "high": [1.0]})
    svg = cosines([1.0, 1.0], [1.0], 1.0, cells, Column("t", True), ["one"], [])
    assert "threshold" in svg


def test_a_run_that_is_not_converted_has_no_report(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"has no conversions of a<b&c, two, source, target yet"):
        report(Run.create(tmp_path / "new", run.config).folder)
    with pytest.raises(RunError, match="is not a run"):
        report(tmp_path)


def test_a_metric_without_scores_is_said_to_have_none(tmp_path: Path) -> None:
    run = made_up_run(tmp_path / "unscored", ["one"], {"one": 0.5})
    (run.folder / "scores" / "Made.parquet").unlink()
    text = Reader(report(run.folder).read_text()).text
    assert "n/a: not scored yet" in text


def test_the_same_run_gives_the_same_page(run: Run, board: Leaderboard, page: str) -> None:
    assert render(run, board) == page
    assert json.loads((run.folder / "manifest.json").read_text())["device"] == "CPU <one>"  # unchanged
