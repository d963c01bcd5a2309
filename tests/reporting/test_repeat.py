"""A repeated run says which figures of its table differ, and in what the runs differ."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.made_up_run import made_up_run
from vcbench.base.state import read_state, write_state
from vcbench.reporting.manifest import write_manifest
from vcbench.reporting.publish import tabulate, write_leaderboard
from vcbench.reporting.repeat import compare_tables, require_table, sentences, write_repetition
from vcbench.run.folder import RunError, RunFolder

LEVELS = {"one": 0.8, "two": 0.4, "source": 0.3, "target": 0.9}


@pytest.fixture
def before(tmp_path: Path) -> RunFolder:
    run = made_up_run(tmp_path / "before", ["one", "two"], LEVELS)
    write_leaderboard(tabulate(run, {}), run.files)
    write_manifest(run, {"score": 1.0})
    return run.files


@pytest.fixture
def now(before: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(before.root, tmp_path / "now")
    return RunFolder(tmp_path / "now")


def change(files: RunFolder, **fields: Any) -> None:
    content = read_state(files.manifest, "")
    write_state(files.manifest, content | fields)


def rows_of(files: RunFolder) -> Any:
    return json.loads(files.leaderboard("json").read_text())


def test_the_same_table_has_no_difference(before: RunFolder, now: RunFolder) -> None:
    found = compare_tables(before, now)
    assert found.different == ()
    assert found.equal == len(rows_of(before)["rows"])
    assert sentences(found) == [
        f"Of {found.equal} cells of the table, {found.equal} are equal to the last digit, 0 differ.",
        "Versions, commit, device, corpus and trials are the same.",
    ]


def test_each_cell_that_differs_is_named(before: RunFolder, now: RunFolder) -> None:
    table = rows_of(now)
    pooled = [row for row in table["rows"] if row["condition"] == "all" and row["system"] == "one"]
    pooled[0]["mean"] += 0.1
    pooled[1]["low"] -= 1e-9  # below what is printed
    table["rows"].remove(pooled[2])
    now.leaderboard("json").write_text(json.dumps(table))
    found = compare_tables(before, now)
    assert found.equal == len(table["rows"]) + 1 - 3
    first, second, third = found.different
    assert first[:3] == ("all conditions", "one", "Cosine <x>")
    assert float(first[4].split()[0]) == pytest.approx(float(first[3].split()[0]) + 0.1, abs=2e-3)
    assert second[3].startswith("low ")
    assert third[4] == "\u2013"
    write_repetition(found, before, now)
    text = now.repeat.read_text()
    assert f"{found.equal} are equal to the last digit, 3 differ" in text
    assert "Cosine \\<x>" in text or "Cosine <x>" in text


def test_columns_of_time_and_memory_are_left_out(before: RunFolder, now: RunFolder) -> None:
    for files, mean in ((before, 0.25), (now, 0.5)):
        table = rows_of(files)
        table["columns"]["wer"]["clocked"] = True
        for row in table["rows"]:
            row["mean"] = mean if row["column"] == "wer" else row["mean"]
        files.leaderboard("json").write_text(json.dumps(table))
    found = compare_tables(before, now)
    assert found.different == ()
    assert found.clocked == ("WER (%)",)
    assert "Left out, because they hold time or memory: WER (%)." in sentences(found)


def test_versions_device_and_weights_that_differ_are_said(before: RunFolder, now: RunFolder) -> None:
    change(before, weights={"one": "a", "two": "b"})
    versions = read_state(now.manifest, "")["versions"] | {"torch": "9.9"}
    change(now, weights={"one": "a", "two": "c"}, device="Abacus", versions=versions)
    lines = sentences(compare_tables(before, now))
    assert "Weights are the same, bit by bit: one." in lines
    assert "Weights differ: two." in lines
    assert any(line.startswith("torch: ") and line.endswith("9.9 now.") for line in lines)
    assert any(line.endswith("Abacus now.") for line in lines)


def test_a_run_without_a_table_cannot_be_compared(before: RunFolder) -> None:
    require_table(before)
    before.leaderboard("json").unlink()
    with pytest.raises(RunError, match="has no leaderboard yet"):
        require_table(before)


def test_the_manifest_tells_how_to_make_the_run_again(
    before: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made_up_run(tmp_path / "third", ["one"], LEVELS)
    monkeypatch.setattr("sys.argv", ["/usr/bin/vcbench", "run", "--set", "trials.seed=1 2"])
    write_manifest(run, {})
    monkeypatch.setattr("sys.argv", ["/usr/bin/vcbench", "run", "--name", "again"])
    write_manifest(run, {})
    found = read_state(run.files.manifest, "")
    assert found["command"] == "vcbench run --set 'trials.seed=1 2'"  # the first one
    assert found["preset"] == "tiny"
    assert found["settings"]["trials"]["per_condition"] == 1
    assert found["citation"].startswith("@misc{vcbench,")
    assert found["versions"]["vcbench"] in found["citation"]
    assert read_state(before.manifest, "")["command"] is None  # pytest is no command of vcbench
