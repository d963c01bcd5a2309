"""A study is trained, tabulated, drawn and resumed; studies share what they train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.support.studies import LISTENING, TOY, resolved, write
from vcbench.cli.app import app
from vcbench.listening.answers.key import open_key
from vcbench.run.run import Run
from vcbench.stages import train
from vcbench.stages import train as trainings
from vcbench.stages.prepare import prepare
from vcbench.stages.train import take_weights, train_rows, training_jobs
from vcbench.studies import speed as study_speed
from vcbench.studies import study
from vcbench.studies.file import names
from vcbench.studies.run import open_seed, shared_folder
from vcbench.studies.speed import measure_speed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("study"), TOY)


@pytest.fixture(scope="module")
def done(toy: str, runs: Path) -> Path:
    """The toy study run by its command, killed after two of its four trainings, and started again."""
    trained, train_system = [], train.train_system

    def dying(**arguments: Any) -> None:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append((arguments["folder"].name, arguments["row"]))
        train_system(**arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "train_system", dying)
        assert invoke(toy, runs).exit_code == 130
        assert len(trained) == 2
        patch.setattr(trainings, "train_system", lambda **own: (trained.append(own["row"]), train_system(**own)))
        second = invoke(toy, runs)
    assert second.exit_code == 0, second.output
    assert len(trained) == 4
    return runs / "studies" / "tiny-mini" / "toy"


def invoke(toy: str, runs: Path, *more: str) -> Any:
    arguments = ["study", toy, "--preset", "tiny", "--seeds", "2", "--workers", "1", "--runs", str(runs), *more]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def test_a_study_leaves_its_tables_and_plots(done: Path) -> None:
    assert {path.name for path in done.iterdir()} == {
        "table.md", "table.csv", "table.tex", "plot.svg", "plot.png", "study.json"
    }  # fmt: skip
    text = (done / "table.md").read_text()
    for said in (
        "Corpus mini",
        "Synthetic speech",
        "preset tiny",
        "4 steps of 4 x 64 frames",
        "Seeds 0, 1",
        "68.6",
        "speaker_probe:",
    ):
        assert said in text
    figures = pd.read_csv(done / "table.csv").set_index(["cell", "column"])
    assert (figures.loc["none", "probe_content"]["count"], figures.loc["none", "probe_content"]["paper"]) == (2, 0.686)
    assert figures.loc["none", "probe_chance"]["mean"] == pytest.approx(0.25)
    assert figures.loc["sigmoid", "reconstruction_error@seen"]["mean"] > 0
    assert figures.loc["none", "parameters"]["mean"] == figures.loc["sigmoid", "parameters"]["mean"] > 0
    record = json.loads((done / "study.json").read_text())
    assert record["seeds"] == [0, 1]
    assert record["claims"][1]["verdict"] == "holds"
    assert len(record["values"]["none"]["probe_content"]) == 2
    assert (done / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_that_is_done_trains_and_measures_nothing(
    done: Path, toy: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("this is already done")

    before = {path.name: path.read_bytes() for path in done.glob("*.*")}
    monkeypatch.setattr(trainings, "train_system", refuse)
    monkeypatch.setattr("vcbench.evaluations.speaker_probe.SpeakerProbe.measure", refuse)
    monkeypatch.setattr("vcbench.evaluations.reconstruction_error.ReconstructionError.measure", refuse)
    again = invoke(toy, runs)
    assert again.exit_code == 0, again.output
    for name in ("table.md", "table.csv", "table.tex", "plot.svg"):
        assert (done / name).read_bytes() == before[name], name


def test_another_study_reads_what_this_one_trained(done: Path, runs: Path, tmp_path: Path) -> None:
    cells = [TOY["cells"][1] | {"label": "as before"}, {"label": "new", "settings": {"activation": "relu"}}]
    other = resolved(tmp_path, TOY | {"cells": cells, "claims": []})
    shared = shared_folder(other, runs)
    views = [open_seed(other, seed, shared) for seed in (0, 1)]
    jobs = [job.arguments["row"] for view in views for job in training_jobs(view, [c.row for c in other.cells])]
    assert jobs == [other.cells[1].row] * 2


def test_listening_tests_are_built_once_and_their_keys_name_cells(done: Path, runs: Path, tmp_path: Path) -> None:
    presets = {"tiny": TOY["presets"]["tiny"] | {"reference_rows": ["oracle"]}}
    toy = write(tmp_path, TOY | {"listening": LISTENING, "presets": presets})
    arguments = (toy, runs, "--seeds", "1", "--out", str(tmp_path / "out"))
    first = invoke(*arguments)
    assert first.exit_code == 0, first.output
    found = study.resolve(toy, "tiny")
    run = Run(shared_folder(found, runs) / "seed-0", found.config)
    keys = {test: open_key(tmp_path / "out" / "listening" / f"{test}.key") for test in LISTENING}
    assert [keys[test].rows for test in LISTENING] == [["none", "sigmoid", "oracle"], ["none", "sigmoid"]]
    hashes = {(found.rows[one.system], one.trial): one.audio_hash for one in run.conversions}
    for test, key in keys.items():
        heard = {(row, trial): h for row, of in key.content["recordings"].items() for trial, h in of.items()}
        assert heard.items() <= hashes.items()
        assert len(heard) == len(LISTENING[test]["rows"]) * LISTENING[test]["items"]
        assert not [cell.row for cell in found.cells if cell.row in json.dumps(key.content)]
    assert {page["condition"] for page in keys["preference"].content["pages"].values()} == {"unseen->unseen"}
    assert keys["mos"].plan.primary_contrast == ["sigmoid", "none"]
    text = (tmp_path / "out" / "table.md").read_text()
    assert "Listening test mos of seed 0: none, sigmoid, oracle; 2 items" in text
    assert "Warning: few speakers in" in text  # with one seed, intervals are over speakers
    assert "few speakers" not in (done / "table.md").read_text()  # with two, over seeds
    assert invoke(*arguments).exit_code == 0
    assert open_key(tmp_path / "out" / "listening" / "mos.key").content == keys["mos"].content
    other = invoke(*arguments, "--set", "listening.mos.traps=1")
    assert "was built with other options. Listeners may have it" in str(other.exception)
    many = invoke(*arguments, "--set", "listening.mos.training=2")
    assert "listening.mos asks for 4 trials (2 items, 2 for training and gold pages); the run has 3." in str(
        many.exception
    )


def test_one_seed_has_an_interval_over_speakers_and_says_so(done: Path, toy: str, runs: Path, tmp_path: Path) -> None:
    only = invoke(toy, runs, "--seeds", "1", "--out", str(tmp_path))
    assert only.exit_code == 0, only.output
    text = (tmp_path / "table.md").read_text()
    assert "one seed does not show how much another training would differ" in text
    assert "Seed 0." in text
    figures = (
        pd.read_csv(tmp_path / "table.csv").set_index(["cell", "column"]).loc[("none", "reconstruction_error@seen")]
    )
    assert figures["low"] < figures["mean"] < figures["high"]


@pytest.mark.slow
def test_several_at_once_are_timed_against_one_after_another(
    done: Path, toy: str, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_speed, "SECONDS", 0.2)
    found = study.resolve(toy, "tiny")
    run = open_seed(found, 0, shared_folder(found, runs))
    speed = measure_speed([(run, cell.row) for cell in found.cells], 1, lambda *_: None)
    assert (speed.models, speed.steps >= 3) == (2, True)
    assert min(speed.one_after_another, speed.at_once) > 0
    assert f"{speed.one_after_another / speed.at_once:.2f} times as fast" in str(speed)


def test_studies_are_listed() -> None:
    listed = CliRunner().invoke(app, ["study"], env={"COLUMNS": "200"})
    assert listed.exit_code == 0
    assert all(name in listed.output for name in names())


@pytest.mark.slow
def test_cells_that_convert_otherwise_are_trained_once(tmp_path: Path) -> None:
    values = TOY | {
        "system": "ae_flow",
        "cells": [{"label": str(skip), "settings": {"skip_encoding": skip}} for skip in (True, False)],
        "columns": ["parameters"],
        "metrics": {"efficiency": {}},
        "presets": {"tiny": {"systems": {"ae_flow": {"training": {"steps": 4}}}}},
        "claims": [],
        "draw": [],
    }
    toy = resolved(tmp_path, values, "workers=1")
    run = open_seed(toy, 0, tmp_path / "runs")
    prepare(run, lambda *_: None)
    jobs = training_jobs(run, run.systems)
    assert [job.function for job in jobs] == [train.train_system, take_weights]
    assert jobs[1].after == jobs[0].name
    train_rows(run, run.systems, lambda *_: None)
    first, second = (run.load_system(row) for row in run.systems)
    assert (first.skip_encoding, second.skip_encoding) == (True, False)
    assert all((value == second.state_dict()[name]).all() for name, value in first.state_dict().items())
    assert training_jobs(run, run.systems) == []
