"""Comparing runs: common trials only, paired, refused where something else was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.support.made_up_run import made_up_run
from vcbench.api.scores import ALL
from vcbench.base.state import read_state, write_parquet, write_state
from vcbench.cli.app import app
from vcbench.reporting.compare import ComparisonError, compare_runs, write_comparison
from vcbench.run.folder import Prepared, read_scores, read_trials
from vcbench.run.run import Run

LEVELS = {"one": 0.5, "two": 0.7, "source": 0.2, "target": 0.9}


@pytest.fixture
def pair(tmp_path: Path) -> list[Run]:
    """Two runs with systems of the same names; in the second, both are better by 0.1."""
    better = LEVELS | {"one": 0.6, "two": 0.8}
    return [
        made_up_run(tmp_path / name, ["one", "two"], levels) for name, levels in (("first", LEVELS), ("second", better))
    ]


def folders(runs: list[Run]) -> list[Path]:
    return [run.folder for run in runs]


def rename_trials(run: Run, kept: int) -> None:
    """Keep the last `kept` trials, under other names and in another order."""
    trials = read_trials(run.files)
    names = {name: f"x{9 - index}" for index, name in enumerate(trials["trial"])}
    chosen = trials.iloc[-kept:].iloc[::-1]
    write_parquet(run.files.trials, chosen.assign(trial=chosen["trial"].map(names)))
    for path, table in [
        *((run.files.outcomes(row), pd.read_parquet(run.files.outcomes(row))) for row in run.rows),
        (run.files.scores("Made"), read_scores(run.files, "Made")),
    ]:
        table = table[table["trial"].isin(set(chosen["trial"]))]
        write_parquet(path, table.assign(trial=table["trial"].map(names)))


def test_systems_of_the_same_name_are_told_apart_and_paired_differences_are_right(pair: list[Run]) -> None:
    board = compare_runs(folders(pair))
    assert board.systems == ("first/one", "first/two", "second/one", "second/two")
    assert board.references == ("source", "target")
    pooled = board.comparisons[
        (board.comparisons["condition"] == ALL) & (board.comparisons["column"] == "similarity_x")
    ]
    found = pooled.set_index(["first", "second"]).loc[("first/two", "second/two")]
    values = [
        read_scores(run.files, "Made").query("system == 'two' and column == 'similarity_x'").set_index("trial")["value"]
        for run in pair
    ]
    assert found["difference"] == pytest.approx((values[0] - values[1]).mean(), abs=1e-12)
    assert found["common"] == 8
    assert found["better"] == "second/two"


def test_only_common_trials_count_whatever_their_names(pair: list[Run]) -> None:
    rename_trials(pair[1], kept=5)
    board = compare_runs(folders([Run.open(run.folder) for run in pair]))
    cells = board.cells[(board.cells["condition"] == ALL) & (board.cells["column"] == "similarity_x")].set_index(
        "system"
    )
    own = read_scores(pair[0].files, "Made").query("system == 'one' and column == 'similarity_x'")
    assert cells.at["first/one", "count"] == cells.at["second/one", "count"] == 5
    assert cells.at["first/one", "mean"] == pytest.approx(own["value"].iloc[-5:].mean(), abs=1e-12)
    pairs = board.comparisons[(board.comparisons["condition"] == ALL) & (board.comparisons["column"] == "similarity_x")]
    assert set(pairs["common"]) == {5}
    lines = " ".join(text for _, text in board.notes)
    assert "first: 5 of its 8 trials are common to all" in lines


def test_a_run_compared_with_its_copy_shows_no_difference(tmp_path: Path) -> None:
    runs = [made_up_run(tmp_path / name, ["one", "two"], LEVELS) for name in ("a", "b")]
    board = compare_runs(folders(runs))
    pairs = board.comparisons[(board.comparisons["first"] == "a/one") & (board.comparisons["second"] == "b/one")]
    assert len(pairs)
    assert np.allclose(pairs["difference"].dropna(), 0)
    assert set(pairs["better"]) == {""}


def test_a_metric_with_other_settings_is_left_out_with_the_reason(pair: list[Run]) -> None:
    path = pair[1].files.scoring("Made")
    content = read_state(path, "")
    write_state(path, content | {"settings": {"model": "another"}})
    with pytest.raises(
        ComparisonError,
        match="other settings: model is none & nowhere in first, another in second",
    ):
        compare_runs(folders(pair))
    write_state(path, content | {"metric": "1"})
    with pytest.raises(ComparisonError, match="Made was scored by other code in second than in first"):
        compare_runs(folders(pair))
    path.unlink()
    pair[1].files.scores("Made").unlink()
    with pytest.raises(ComparisonError, match="Made has no scores in second"):
        compare_runs(folders(pair))


def test_what_cannot_be_compared_is_refused(pair: list[Run]) -> None:
    with pytest.raises(ComparisonError, match="two or more"):
        compare_runs(folders(pair)[:1])
    with pytest.raises(ComparisonError, match="named twice"):
        compare_runs([pair[0].folder, pair[0].folder])
    rename_trials(pair[1], kept=2)
    trials = read_trials(pair[1].files)
    write_parquet(pair[1].files.trials, trials.assign(enrolment=[["other"]] * len(trials)))
    with pytest.raises(ComparisonError, match=r"no trial in common \(trials: first 8, second 2\)"):
        compare_runs(folders(pair))
    prepared = Prepared.read(pair[1].files)
    prepared.model_copy(update={"corpus_hash": "1"}).write(pair[1].files)
    with pytest.raises(ComparisonError, match="first and second use other recordings"):
        compare_runs(folders(pair))


def test_the_command_prints_tables_and_pairs_and_writes_a_page(pair: list[Run], tmp_path: Path) -> None:
    out = tmp_path / "compared"
    done = CliRunner().invoke(app, ["compare", *map(str, folders(pair)), "--out", str(out), "--allow-code"])
    assert done.exit_code == 0, done.output
    assert "first/one" in done.output
    assert "first minus second" in done.output
    page = (out / "comparison.html").read_text()
    assert "Paired differences" in page
    assert "second/two is better" in page
    assert (out / "comparison.tex").read_text().count("toprule") >= 1
    pairs = pd.read_csv(out / "pairs.csv")
    assert {"first/one", "first/two"} <= set(pairs["first"])


def test_the_page_is_the_same_each_time(pair: list[Run], tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_comparison(compare_runs(folders(pair)), tmp_path / name)
    assert (tmp_path / "a" / "comparison.html").read_bytes() == (tmp_path / "b" / "comparison.html").read_bytes()
