"""The report: what is on the page, what is not, and that it needs nothing else."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from tests.support.made_up_run import TEXT, made_up_run
from tests.support.report_page import LEVEL, SYSTEMS, Reader, words
from vcbench.api.scores import Column
from vcbench.base.state import write_parquet
from vcbench.cli.verbs import report
from vcbench.reporting.comparisons import matrices
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.publish import tabulate
from vcbench.reporting.report.deciding import deciding, key_table
from vcbench.reporting.report.page import render
from vcbench.reporting.tables import text_tables
from vcbench.run.folder import RunError
from vcbench.run.run import Run

SECTIONS = ["verdict", "leaderboard", "listen", "plots", "comparisons", "sanity", "everything"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a run with one system and without recordings, curves, details, verification or a manifest; nothing failed."""
    run = made_up_run(tmp_path_factory.mktemp("runs") / "bare", ["one"], {"one": 0.5})
    run.prepared.model_copy(update={"rejected": ()}).write(run.files)
    table = pd.read_parquet(run.folder / "scores" / "Made.parquet")
    table = table[table["column"] == "wer"].assign(column="count", detail="{}", condition="seen->seen")
    write_parquet(run.files.scores("Made"), table)
    return report(run.folder).read_text()


def test_every_section_is_there_when_its_data_is(page: str) -> None:
    assert re.findall(r'<h2 id="(\w+)"', page) == SECTIONS
    shown, folded = page.split('<h2 id="everything"')
    # similarity against WER, two by trial, speaker pairs, cosines, bands, training
    assert shown.count('<svg role="img"') == 7
    assert folded.count('<svg role="img"') == 3 + 3  # intervals, and by condition


def test_a_section_without_data_is_not_there(bare: str) -> None:
    assert re.findall(r'<h2 id="(\w+)"', bare) == ["verdict", "leaderboard", "plots", "everything"]
    assert re.findall(r'<a href="#(\w+)">', bare)[:3] == ["leaderboard", "plots", "everything"]
    assert 'id="data"' not in bare
    assert "<summary>Versions" not in bare


@pytest.mark.parametrize("name", ["page", "bare", "single"])
def test_the_page_is_balanced_and_needs_no_network(name: str, request: pytest.FixtureRequest) -> None:
    page = request.getfixturevalue(name)
    reader = Reader(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    assert "://" not in page
    assert not re.search(r"@import|<link|<script [^>]*src|fetch\(|XMLHttpRequest", page)


def test_text_is_escaped_wherever_it_comes_from(page: str) -> None:
    for raw in (TEXT, "<i>broken", "odd<one>", "a<b&c", "Cosine <x>", "<u>", "CPU <one>"):
        assert raw not in page
    reader = Reader(page)
    for shown in ("<i>broken</i>", "odd<one>", "a<b&c", "Cosine <x>", "CPU <one>"):
        assert shown in reader.text
    assert json.loads(reader.data)["texts"] == [TEXT] * 8


def test_tables_hold_the_cells_of_the_text_tables(page: str, full_board: Leaderboard) -> None:
    reader = Reader(page)
    tables = [table for table, kind in zip(reader.tables, reader.classes, strict=True) if kind == "board"]
    expected = list(text_tables(full_board))
    assert len(tables) == len(expected) > 2
    for (head, *rows), printed in zip(tables, expected, strict=True):
        titles = [words(f"{one.title} {one.arrow}{one.marks}") for one in printed.headings]
        assert [words(cell) for cell in head] == ["system", *printed.count_titles, *titles]
        assert [[words(cell) for cell in row] for row in rows] == [
            [row.system, *row.counts]
            + [words(" ".join([cell.mean, cell.rank, cell.interval, cell.extra])) for cell in row.cells]
            for row in printed.rows
        ]
    bold = [cell.mean for printed in expected for row in printed.rows for cell in row.cells if cell.best]
    assert bold
    assert re.findall(r"<strong>(.*?)</strong>", page.split('<h2 id="everything"')[1]) == bold


def test_the_first_table_has_the_first_column_of_each_role_that_has_values(full_board: Leaderboard) -> None:
    names = list(full_board.columns)[:3]
    columns = {
        "empty": Column("none", True, role="target"),
        names[1]: Column("second", False, role="words"),
        names[0]: Column("first", True, role="target"),
        names[2]: Column("third", True, role="target"),
    }
    assert deciding(replace(full_board, columns=columns)) == {"target": names[0], "words": names[1]}
    without = {name: replace(column, role="") for name, column in full_board.columns.items()}
    assert deciding(replace(full_board, columns=without)) == {name: name for name in names}  # the main ones stand in
    table = key_table(full_board, {"target": names[0], "words": names[1]})
    assert [short for short, _ in table.headings] == ["Similarity to target", "Word errors"]
    assert [row.system for row in table.systems] == SYSTEMS
    assert [row.failed for row in table.systems] == ["0", "1"]
    assert float(table.systems[1].cells[0].order) == pytest.approx(0.7, abs=0.02)


def test_the_verdict_says_what_the_tests_say(page: str, bare: str, full_board: Leaderboard) -> None:
    can, cannot = (
        words(unescape(re.sub("<[^>]+>", " ", part)))
        for part in page.split("It can tell")[1].split("</section>")[0].split("It cannot tell")
    )
    row = full_board.comparisons.query("condition == 'all' and column == 'similarity_x'").squeeze()
    assert f"Cosine <x>: two is better than a<b&c, by {abs(row['difference']):.3f} on 8 recordings." in can
    assert "WER" not in can
    assert "No two systems can be told apart in WER (%) (8 recordings)." in cannot
    assert "Few speakers (4 on one side;" in cannot
    assert "two failed on 1 of 8 trials" in cannot
    assert "Each system was trained once" in cannot
    alone = words(Reader(bare).text)
    assert "There is one system, so nothing is compared." in alone
    assert "No difference between systems that its tests find." in alone
    assert "trained once" not in alone


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
    assert text.count("two is not below real recordings of the target") == 2  # here, and in the tables' notes
    assert text.count("a<b&c is not above the unconverted source") == 2
    assert "2 sanity checks failed: see Sanity below." in text


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


def test_a_matrix_says_of_each_pair_what_the_leaderboard_knows(full_board: Leaderboard, page: str) -> None:
    found = {matrix.title: matrix for matrix in matrices(full_board)}
    pair = found["Cosine <x>"].pairs["a<b&c", "two"]
    row = full_board.comparisons.query("condition == 'all' and column == 'similarity_x'").squeeze()
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


def test_the_same_run_gives_the_same_page(run: Run, full_board: Leaderboard, page: str) -> None:
    assert render(run, full_board) == page
    assert json.loads((run.folder / "manifest.json").read_text())["device"] == "CPU <one>"  # unchanged
