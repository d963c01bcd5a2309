"""The tables: their content, in each format and at each width."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.support.made_up_board import (
    COLUMNS,
    LEVELS,
    MISSING,
    NOTES,
    REFERENCES,
    SYSTEMS,
    made_up_run,
    made_up_scores,
    made_up_trials,
)
from vcbench.api.scores import Column
from vcbench.base import escape
from vcbench.reporting import leaderboard
from vcbench.reporting.formats import long_table, markdown
from vcbench.reporting.latex_board import latex
from vcbench.reporting.leaderboard import Leaderboard
from vcbench.reporting.publish import render, write_leaderboard
from vcbench.reporting.speakers import few_speakers
from vcbench.reporting.tables import text_tables
from vcbench.reporting.text import number, ordinal
from vcbench.run.folder import RunFolder


def cell(board: Leaderboard, condition: str, system: str, column: str) -> pd.Series:
    cells = board.cells
    found = (cells["condition"] == condition) & (cells["system"] == system) & (cells["column"] == column)
    return cells[found].squeeze()


def test_means_are_weighted_and_pool_the_conditions(board: Leaderboard, scores: pd.DataFrame) -> None:
    for condition in ("all", "seen->seen"):
        part = scores[(scores["system"] == "poor") & (scores["column"] == "wer")]
        part = part if condition == "all" else part[part["condition"] == condition]
        expected = (part["value"] * part["weight"]).sum() / part["weight"].sum()
        found = cell(board, condition, "poor", "wer")
        assert found["mean"] == pytest.approx(expected)
        assert found["low"] < expected < found["high"]
        assert found["count"] == len(part)


def test_counts_and_failures_stand_beside_every_row(board: Leaderboard) -> None:
    counts = board.counts.set_index(["condition", "system"])
    assert counts.loc[("all", "near")].tolist() == [36, 1]
    assert counts.loc[("seen->seen", "near")].tolist() == [24, 1]
    assert counts.loc[("seen->unseen", "near")].tolist() == [12, 0]
    assert counts.loc[("all", "source")].tolist() == [36, 0]
    assert cell(board, "seen->seen", "near", "similarity")["count"] == 22


def test_main_table_first_then_a_table_per_condition(board: Leaderboard) -> None:
    found = {printed.condition: [heading.title for heading in printed.headings] for printed in text_tables(board)}
    titles = [column.title for name, column in COLUMNS.items() if name not in MISSING]
    assert list(found) == ["all", "seen->seen", "seen->unseen", "seen", "unseen"]
    assert found["all"] == titles
    assert found["seen->seen"] == titles[:2]
    assert found["seen"] == [titles[2]]


def test_ranks_are_shared_and_nothing_is_bold_unless_apart(board: Leaderboard) -> None:
    assert [cell(board, "all", system, "similarity")["rank"] for system in SYSTEMS] == [1, 1, 3]
    assert not board.cells["best"].any()
    assert "**" not in markdown(board)
    assert pd.isna(cell(board, "all", "source", "similarity")["rank"])
    assert pd.isna(cell(board, "all", "poor", "parameters")["rank"])


def test_the_best_is_bold_where_it_is_apart_from_every_other() -> None:
    run = made_up_run()
    table = made_up_scores(made_up_trials(), LEVELS | {"near": 0.7})
    made = leaderboard.build(run, table, COLUMNS, NOTES, MISSING)
    assert made.cells.loc[made.cells["best"], "system"].unique().tolist() == ["good_one"]
    assert f"**{number(cell(made, 'all', 'good_one', 'similarity')['mean'], COLUMNS['similarity'])}** 1st" in markdown(
        made
    )
    assert r"\textbf{0.90}" in latex(made)


def test_direction_of_the_metric_decides_who_is_best(scores: pd.DataFrame) -> None:
    flipped = COLUMNS | {"similarity": Column("distance", False)}
    made = leaderboard.build(made_up_run(), scores, flipped)
    assert [cell(made, "all", system, "similarity")["rank"] for system in SYSTEMS] == [2, 2, 1]


def test_comparisons_are_of_systems_only(board: Leaderboard) -> None:
    pairs = board.comparisons[(board.comparisons["condition"] == "all") & (board.comparisons["column"] == "wer")]
    assert pairs[["first", "second"]].to_numpy().tolist() == [
        ["good_one", "near"],
        ["good_one", "poor"],
        ["near", "poor"],
    ]
    assert pairs["common"].tolist() == [35, 36, 35]
    assert pairs["better"].tolist() == ["", "good_one", "near"]


def test_unavailable_columns_say_why(board: Leaderboard) -> None:
    text = markdown(board)
    assert f"3. ECAPA cosine: n/a: {MISSING['ecapa']}" in text
    assert "| ECAPA" not in text
    assert "GE2E cosine to target ↑¹" in text
    assert "1. similarity: encoder GE2E, revision 0.1.4" in text
    assert "No listener was asked." in text


def test_few_speakers_are_a_warning_in_every_format(board: Leaderboard, scores: pd.DataFrame, tmp_path: Path) -> None:
    write_leaderboard(board, RunFolder(tmp_path))
    texts = [(tmp_path / f"leaderboard.{suffix}").read_text() for suffix in ("md", "tex", "json")]
    for text in [*texts, " ".join(printed(board, 100).split())]:
        assert "few speakers in all conditions (3)" in text  # "mel" has two seen speakers and an unseen one
        assert "fewer than 6 source or target speakers" in text
    assert few_speakers(scores, ["similarity"])[0].startswith("Warning: few speakers in seen->unseen (3).")
    assert few_speakers(scores[scores["condition"] == "seen->seen"], ["similarity", "wer", "parameters"]) == []


def test_cells_with_fewer_values_say_so(board: Leaderboard) -> None:
    lines = [line for line in markdown(board).splitlines() if line.startswith("| near")]
    assert "n=34" in lines[0]
    assert "n=35" not in lines[0]  # the row's own count already shows this
    assert "n=22" in lines[1]


@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_speech_is_called_so_in_every_format(scores: pd.DataFrame, tmp_path: Path, synthetic: bool) -> None:
    made = leaderboard.build(made_up_run(synthetic=synthetic), scores, COLUMNS)
    write_leaderboard(made, RunFolder(tmp_path))
    texts = [(tmp_path / f"leaderboard.{suffix}").read_text() for suffix in ("md", "tex", "json")]
    assert [("is synthetic speech" in text) for text in [*texts, printed(made, 100)]] == [synthetic] * 4


def printed(board: Leaderboard, width: int) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render(board))
    return console.export_text()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_terminal_shows_the_main_table_uncut(board: Leaderboard, width: int) -> None:
    text = printed(board, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    shown = text.replace("\u00a0", " ")
    everywhere = board.cells[board.cells["condition"] == "all"]
    for found in everywhere.itertuples():
        about = board.columns[found.column]
        if about.main:
            assert number(found.mean, about) in shown
            if not np.isnan(found.low):
                assert f"[{number(found.low, about)}, {number(found.high, about)}]" in shown
    assert "All conditions" in text
    assert "seen->unseen (12 trials)" not in text  # the other tables are in the files


def test_csv_has_full_precision_and_reasons(board: Leaderboard, tmp_path: Path) -> None:
    write_leaderboard(board, RunFolder(tmp_path))
    table = pd.read_csv(tmp_path / "leaderboard.csv")
    merged = table.merge(board.cells, on=["condition", "system", "column"], suffixes=("", "_board"))
    assert len(merged) == len(board.cells)
    for field in ("mean", "low", "high", "count"):
        np.testing.assert_allclose(merged[field], merged[f"{field}_board"].astype(float), rtol=1e-15)
    missing = table[table["column"] == "ecapa"]
    assert missing["unavailable"].unique().tolist() == [MISSING["ecapa"]]
    assert set(missing["system"]) == {*SYSTEMS, *REFERENCES}
    assert table.loc[table["reference"], "system"].unique().tolist() == REFERENCES


def test_json_is_strict_and_complete(board: Leaderboard, tmp_path: Path) -> None:
    write_leaderboard(board, RunFolder(tmp_path))

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    content = json.loads((tmp_path / "leaderboard.json").read_text(), parse_constant=refuse)
    assert len(content["rows"]) == len(long_table(board))
    row = next(row for row in content["rows"] if row["column"] == "parameters" and row["system"] == "poor")
    assert (row["mean"], row["low"], row["rank"], row["count"]) == (1234567.0, None, None, 1)
    assert len(content["comparisons"]) == len(board.comparisons)


@given(st.text(max_size=40))
def test_escaped_text_holds_no_live_character(text: str) -> None:
    escaped = escape.tex(text).removeprefix("{}")
    for command in (
        r"\textbar{}",
        r"\textbackslash{}",
        r"\textasciitilde{}",
        r"\textasciicircum{}",
        r"\textless{}",
        r"\textgreater{}",
    ):
        escaped = escaped.replace(command, "")
    for command in (r"$\uparrow$", r"$\downarrow$", r"$\to$", r"$\pm$", r"$\times$", r"$\leq$", r"$\geq$", r"$\Delta$"):
        escaped = escaped.replace(command, "")
    for command in (r"\{", r"\}", r"\&", r"\%", r"\$", r"\#", r"\_"):
        escaped = escaped.replace(command, "")
    assert not set(escaped.replace("~", "")) & set("\\{}&%$#_^")


def test_a_system_whose_conversions_all_failed_stays_in_the_table(scores: pd.DataFrame) -> None:
    trials = made_up_trials()
    failures = [("poor", trial.trial, trial.condition, "boom") for trial in trials.itertuples()]
    made = leaderboard.build(made_up_run(failures), scores[scores["system"] != "poor"], COLUMNS)
    line = next(line for line in markdown(made).splitlines() if line.startswith("| poor"))
    assert [text.strip() for text in line.split("|")[2:5]] == ["0", "36", "\u2013"]
    assert "poor" in printed(made, 80)


def test_no_scores_at_all_still_make_a_table(scores: pd.DataFrame, tmp_path: Path) -> None:
    made = leaderboard.build(made_up_run(), scores[:0], COLUMNS, [], dict.fromkeys(COLUMNS, "nothing is here"))
    write_leaderboard(made, RunFolder(tmp_path))
    titles = ", ".join(column.title for column in COLUMNS.values())
    assert f"1. {titles}: n/a: nothing is here" in (tmp_path / "leaderboard.md").read_text()
    assert "nothing is here" in printed(made, 80)
    assert len(pd.read_csv(tmp_path / "leaderboard.csv")) == len(COLUMNS) * 4


def test_a_value_that_the_systems_structure_decides_is_neither_ranked_nor_compared(scores: pd.DataFrame) -> None:
    exact = (scores["system"] == "near") & (scores["column"] == "mel")
    scores = scores.assign(
        value=scores["value"].mask(exact, 0.0), detail=np.where(exact, '{"by construction": true}', "{}")
    )
    undeclared = leaderboard.build(made_up_run(), scores, COLUMNS)
    assert cell(undeclared, "all", "near", "mel")["rank"] == 1
    made = leaderboard.build(made_up_run(), scores, COLUMNS | {"mel": Column("Mel", False, 3, constructed=True)})
    assert pd.isna(cell(made, "all", "near", "mel")["rank"])
    pairs = made.comparisons[(made.comparisons["column"] == "mel") & (made.comparisons["condition"] == "all")]
    assert pairs[["first", "second"]].to_numpy().tolist() == [["good_one", "poor"]]
    assert "0.000 [0.000,\u00a00.000] by construction" in markdown(made)


def test_one_system_has_no_ranks(scores: pd.DataFrame) -> None:
    run = made_up_run()
    run.systems, run.rows = ["poor"], ["poor", "source"]
    made = leaderboard.build(run, scores[scores["system"].isin(run.rows)], COLUMNS)
    assert made.cells["rank"].isna().all()
    assert "Detectable" not in markdown(made)


@pytest.mark.parametrize(("field", "name"), [("column", "wre"), ("system", "stranger")])
def test_scores_of_the_unknown_are_refused(scores: pd.DataFrame, field: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown {field}: {name}"):
        leaderboard.build(made_up_run(), scores.assign(**{field: name}), COLUMNS)


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.12345, Column("", True, 2), "0.12"),
        (0.12345, Column("", True, 1, percent=True), "12.3"),
        (-0.0001, Column("", True, 2), "0.00"),
        (1234567.0, Column("", None, 0), "1,234,567"),
        (8400.0, Column("", None, 0), "8400"),
    ],
)
def test_numbers_are_printed_as_the_column_says(value: float, column: Column, text: str) -> None:
    assert number(value, column) == text


def test_ordinals() -> None:
    assert [ordinal(k) for k in (1, 2, 3, 4, 11, 12, 13, 21, 22, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "111th",
    ]  # fmt: skip
