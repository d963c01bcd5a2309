"""Studies: bad files are reported before any work, claims are answered by their intervals, and trainings are shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
from typer.testing import CliRunner

from vcbench.api.scores import FIELDS
from vcbench.base.settings import ConfigError
from vcbench.cli.app import app
from vcbench.listening.answers.key import open_key
from vcbench.run import config
from vcbench.run.run import Run
from vcbench.stages import train
from vcbench.stages import train as trainings
from vcbench.stages.prepare import prepare
from vcbench.stages.train import take_weights, train_rows, training_jobs
from vcbench.stats.scores import t_interval
from vcbench.studies import speed as study_speed
from vcbench.studies import study
from vcbench.studies.file import names
from vcbench.studies.results import StudyResults
from vcbench.studies.run import open_seed, shared_folder
from vcbench.studies.speed import measure_speed

TOY: dict[str, Any] = {
    "title": "A toy",
    "source": "Nobody 2026, Table 1",
    "system": "again_vc",
    "columns": ["probe_content", "reconstruction_error@seen", "parameters", "probe_chance"],
    "cells": [
        {"label": "none", "settings": {"activation": "none"}, "paper": {"probe_content": 0.686}},
        {"label": "sigmoid", "settings": {"activation": "sigmoid"}, "paper": {"probe_content": 0.017}},
    ],
    "metrics": {
        "speaker_probe": {"training_utterances": 4, "test_utterances": 4, "steps": 40},
        "reconstruction_error": {},
        "efficiency": {},
    },
    "presets": {"tiny": {"systems": {"again_vc": {"blocks": 2, "training": {"steps": 4}}}}},
    "claims": [
        {"text": "It hides the speaker", "cell": "sigmoid", "column": "probe_content", "relation": "below", "other": "none"},
        {"text": "Both are as large", "cell": "sigmoid", "column": "parameters", "relation": "above", "other": "none", "margin": 0.1},
    ],
    "draw": [
        {"kind": "bars", "y": "probe_content", "line": "probe_chance"},
        {"kind": "curve", "x": "reconstruction_error@seen", "y": "probe_content"},
    ],
}  # fmt: skip


LISTENING: dict[str, Any] = {
    "mos": {
        "rows": ["none", "sigmoid", "oracle"], "items": 2, "listeners": 4, "per_item": 2, "contrast": ["sigmoid", "none"],
    },
    "preference": {
        "rows": ["none", "sigmoid"], "condition": "unseen->unseen", "items": 1, "listeners": 2, "per_item": 2, "training": 0,
    },
}  # fmt: skip


GRID: dict[str, Any] = {
    key: value for key, value in TOY.items() if key not in ("cells", "claims", "draw")
} | {
    "grid": {"activation": ["none", "sigmoid"], "training.batch_size": [2, 3, 4]},
    "grid_label": "{activation} by {training.batch_size}",
}  # fmt: skip


def write(folder: Path, values: dict[str, Any], name: str = "toy") -> str:
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(values))
    return str(path)


def resolved(folder: Path, values: dict[str, Any], *assignments: str) -> study.Study:
    return study.resolve(write(folder, values), "tiny", None, list(assignments))


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("preset", config.presets())
def test_shipped_studies_are_valid_under_every_preset(name: str, preset: str) -> None:
    found = study.resolve(name, preset)
    assert found.file.source
    assert found.claims


def test_the_tables_of_again_vc_share_what_they_train() -> None:
    again = ("again_table1", "again_table2", "again_fig3", "again_fig4")
    cells = {name: {cell.label: cell for cell in study.resolve(name, "quick").cells} for name in again}
    one, two, three = cells["again_table1"], cells["again_table2"], cells["again_fig3"]
    assert all(two[label].row == cell.row for label, cell in cells["again_fig4"].items())
    assert one["None"].row == two["1-Enc"].row == three["none, C = 4"].row
    assert one["Sigmoid 0.1"].row == two["1-Enc-sig"].row == three["sigmoid, C = 4"].row
    assert len({cell.row for own in cells.values() for cell in own.values()}) == 7 + 4 + 14 - 4
    paper = study.resolve("again_table2", "paper").cells[0].settings
    assert (paper["hidden"], paper["training"]["steps"]) == (256, 100_000)


def test_a_study_trains_with_another_ones_presets_under_its_own(tmp_path: Path) -> None:
    own = {"presets": {"quick": {"systems": {"again_vc": {"hidden": 32}}}}, "presets_of": "again_table1"}
    found = study.resolve(write(tmp_path, TOY | own), "quick").cells[0].settings
    assert (found["hidden"], found["gru_hidden"], found["training"]["steps"]) == (32, 64, 900)


def test_the_studies_of_the_flow_share_what_they_train() -> None:
    flow = [name for name in names() if name.startswith("ae_flow_")]
    trained = {}
    for name in flow:
        for cell in study.resolve(name, "quick").cells:
            trained[cell.row] = {key: value for key, value in cell.settings.items() if key != "skip_encoding"}
    assert len(flow) == 6
    assert len({str(sorted(settings.items())) for settings in trained.values()}) == 5 + 4 + 1 + 3


def test_recordings_are_made_only_where_a_metric_hears_them(tmp_path: Path) -> None:
    deaf, hearing = resolved(tmp_path, TOY), resolved(tmp_path, changed("metrics", "naturalness", value={}))
    assert (deaf.needs_recordings, deaf.config.reference_rows) == (False, ())
    assert hearing.needs_recordings
    assert resolved(tmp_path, TOY | {"listening": LISTENING}).needs_recordings
    assert set(hearing.config.reference_rows) <= set(hearing.rows)


def test_a_grid_has_a_cell_for_each_combination_and_claims_follow_it(tmp_path: Path) -> None:
    claim = {
        "text": "{activation} learns more from {training.batch_size} than from 2",
        "cell": "{activation} by {training.batch_size}",
        "column": "probe_content",
        "relation": "above",
        "other": "{activation} by 2",
    }
    found = resolved(tmp_path, GRID | {"claims": [claim]})
    assert [cell.label for cell in found.cells] == [f"{a} by {b}" for a in ("none", "sigmoid") for b in (2, 3, 4)]
    assert [cell.settings["training"]["batch_size"] for cell in found.cells] == [2, 3, 4] * 2
    assert [cell.settings["activation"] for cell in found.cells] == ["none"] * 3 + ["sigmoid"] * 3
    assert found.cells[0].settings["training"]["steps"] == 4
    assert [claim.cell for claim in found.claims] == [cell.label for cell in found.cells]
    assert found.claims[4].other == "sigmoid by 2"
    assert found.claims[4].text == "sigmoid learns more from 3 than from 2"


def test_a_users_settings_lie_over_the_studys_and_cells_over_both(tmp_path: Path) -> None:
    found = resolved(tmp_path, TOY, "systems.again_vc.hidden=24", "systems.again_vc.activation=tanh")
    assert [cell.settings["hidden"] for cell in found.cells] == [24, 24]
    assert [cell.settings["activation"] for cell in found.cells] == ["none", "sigmoid"]
    assert found.cells[0].row != resolved(tmp_path, TOY).cells[0].row


def changed(*keys: str | int, value: Any) -> dict[str, Any]:
    """TOY with one value replaced or added."""
    values = json.loads(json.dumps(TOY))
    inner = values
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return values


def listened(test: str, **options: Any) -> dict[str, Any]:
    """TOY with listening tests, of which one has other options."""
    return TOY | {"listening": LISTENING | {test: LISTENING.get(test, {}) | options}}


BAD = {
    "an unknown key": (changed("titel", value="x"), r"Unknown key 'titel'.*Did you mean 'title'"),
    "an unknown key of a claim": (changed("claims", 0, "relatoin", value="x"), r"'claims.0.relatoin'.*'relation'"),
    "an unknown relation": (changed("claims", 0, "relation", value="near"), "'below' or 'above'"),
    "an unknown cell": (changed("claims", 0, "cell", value="sigmoidal"), "no 'sigmoidal'.*mean 'sigmoid'"),
    "an unknown column": (changed("claims", 0, "column", value="probe_kontent"), "mean 'probe_content'"),
    "an unknown other": (changed("claims", 0, "other", value="nothing"), "other: there is no 'nothing'"),
    "a column of no metric": (changed("columns", value=["probe_size"]), "columns: there is no 'probe_size'"),
    "no column": (changed("columns", value=[]), "columns is empty"),
    "a paper's figure of no column": (changed("cells", 0, "paper", value={"wer": 1.0}), "figure of 'none'.*'wer'"),
    "a bad setting": (changed("cells", 0, "settings", value={"activation": "swish"}), r"systems.none.activation.*'swish'"),
    "a metric's bad option": (changed("metrics", "speaker_probe", value={"seeds": 0}), "must each be at least 1"),
    "an unknown metric": (changed("metrics", "speaker_prob", value={}), "no metric 'speaker_prob'.*speaker_probe"),
    "an unknown preset": (changed("presets", "quik", value={}), "presets: there is no 'quik'.*'quick'"),
    "presets of no study": (TOY | {"presets_of": "again_tabel1"}, "no study 'again_tabel1'.*mean 'again_table1'"),
    "presets of a system it has not": (TOY | {"presets_of": "ae_flow_lambda"}, "there is no 'ae_flow'"),
    "an overlay of nothing": (changed("presets", "quick", value={"systems": {"again_v": {}}}), "no 'again_v'.*'again_vc'"),
    "two cells of a name": (changed("cells", 0, "label", value="sigmoid"), "'sigmoid' is taken"),
    "two cells alike": (changed("cells", 0, "settings", value={"activation": "sigmoid"}), "have the same settings"),
    "no system": ({k: v for k, v in TOY.items() if k != "system"}, "'none' names no system"),
    "an empty grid": (GRID | {"grid": {"activation": []}}, "at least one value"),
    "a curve without x": (changed("draw", 1, value={"kind": "curve", "y": "probe_content"}), "needs x"),
    "a panel of no column": (changed("draw", 0, "y", value="probe"), "draw: there is no 'probe'"),
    "an unknown listening test": (listened("abx"), "no test 'abx'; allowed: mos"),
    "an unknown option of it": (listened("mos", itmes=3), "'listening.mos.itmes'.*mean 'items'"),
    "listeners that do not fit": (listened("mos", items=3), "6 pages cannot be shared equally by 4"),
    "a listened row of no cell": (listened("mos", rows=["none", "relu"]), "row: there is no 'relu'"),
    "a contrast of a row that is not heard": (listened("mos", rows=["sigmoid", "oracle"]), "there is no 'none'.*sigmoid, oracle"),
    "one listened cell": (listened("preference", rows=["none", "oracle"]), "at least two cells"),
    "a hue of no grid": (changed("draw", 1, "hue", value="activation"), "draw: there is no 'activation'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_study_file_is_told(kind: str, tmp_path: Path) -> None:
    values, message = BAD[kind]
    with pytest.raises(ConfigError, match=message):
        resolved(tmp_path, values)


def test_a_study_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no study 'again_tabel1'.*mean 'again_table1'"):
        study.resolve("again_tabel1", "quick")
    with pytest.raises(ConfigError, match="does not exist"):
        study.resolve(str(tmp_path / "absent.toml"), "quick")
    (tmp_path / "broken.toml").write_text("title = ")
    with pytest.raises(ConfigError, match="not valid TOML"):
        study.resolve(str(tmp_path / "broken.toml"), "quick")


def table(seeds: int, **means: list[float]) -> pd.DataFrame:
    """Scores of the cells: each seed's mean, spread over eight utterances of four speakers."""
    rows = [
        (cell, "probe_content", f"u{trial}", "all", mean + 0.01 * (-1) ** trial, 1.0, f"s{trial % 4}", "", "{}", seed)
        for cell, values in means.items()
        for seed, mean in enumerate(values[:seeds])
        for trial in range(8)
    ]
    return pd.DataFrame(rows, columns=[*FIELDS, "seed"])


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    ("none", "sigmoid", "relation", "margin", "verdict"),
    [
        ([0.7, 0.72, 0.71], [0.1, 0.13, 0.11], "below", 0.0, "holds"),
        ([0.7, 0.72, 0.71], [0.1, 0.13, 0.11], "above", 0.0, "does not hold"),
        ([0.1, 0.13, 0.11], [0.7, 0.72, 0.71], "below", 0.0, "does not hold"),
        ([0.7, 0.72, 0.71], [0.73, 0.75, 0.74], "below", 0.05, "holds"),
        ([0.7, 0.72, 0.71], [0.68, 0.7, 0.69], "below", -0.05, "does not hold"),
        ([0.7, 0.72, 0.71], [0.68, 0.7, 0.69], "above", 0.05, "holds"),
    ],
)
def test_a_claim_is_answered(
    tmp_path: Path, seeds: int, none: list[float], sigmoid: list[float], relation: Any, margin: float, verdict: str
) -> None:
    found = resolved(tmp_path, TOY)
    claim = found.claims[0].model_copy(update={"relation": relation, "margin": margin})
    answer = StudyResults(found, table(seeds, none=none, sigmoid=sigmoid), tuple(range(seeds))).answer(claim)
    assert answer.verdict == verdict
    assert answer.difference == pytest.approx(np.mean(sigmoid[:seeds]) - np.mean(none[:seeds]))
    assert answer.low <= answer.difference + 1e-12
    assert answer.high >= answer.difference - 1e-12


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    found = resolved(tmp_path, TOY)
    noisy = StudyResults(found, table(3, none=[0.5, 0.6, 0.7], sigmoid=[0.6, 0.55, 0.62]), (0, 1, 2))
    answer = noisy.answer(found.claims[0])
    assert answer.verdict == "cannot be told"
    assert answer.low < 0 < answer.high
    alike = StudyResults(found, table(3, none=[1.0] * 3, sigmoid=[1.0] * 3), (0, 1, 2))
    assert alike.answer(found.claims[0]).verdict == "cannot be told"
    absent = StudyResults(found, table(3, none=[0.5, 0.6, 0.7]), (0, 1, 2)).answer(found.claims[0])
    assert absent.verdict == "cannot be told"
    assert np.isnan(absent.difference)


def test_pairing_seed_by_seed_takes_out_what_seeds_share(tmp_path: Path) -> None:
    found = resolved(tmp_path, TOY)
    paired = StudyResults(found, table(3, none=[0.3, 0.6, 0.9], sigmoid=[0.2, 0.5, 0.81]), (0, 1, 2))
    assert paired.answer(found.claims[0]).verdict == "holds"
    shuffled = StudyResults(found, table(3, none=[0.6, 0.9, 0.3], sigmoid=[0.2, 0.5, 0.81]), (0, 1, 2))
    assert shuffled.answer(found.claims[0]).verdict == "cannot be told"


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_claim_against_a_number_or_another_column(tmp_path: Path, seeds: int) -> None:
    found = resolved(tmp_path, TOY)
    scores = table(seeds, sigmoid=[0.1, 0.12, 0.11])
    chance = scores.assign(column="probe_chance", value=0.05)
    results = StudyResults(found, pd.concat([scores, chance]), tuple(range(seeds)))
    for other, verdict in ((0.3, "holds"), (0.05, "does not hold"), ("probe_chance", "does not hold")):
        assert results.answer(found.claims[0].model_copy(update={"other": other})).verdict == verdict
    above = found.claims[0].model_copy(update={"other": "probe_chance", "relation": "above", "margin": -0.02})
    assert results.answer(above).verdict == "holds"


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_claim_about_two_differences(tmp_path: Path, seeds: int) -> None:
    cells = [{"label": name, "settings": {"activation": name}} for name in ("none", "relu", "elu", "tanh")]
    claim = {"text": "The gap grows", "cell": "elu less tanh", "column": "probe_content", "relation": "above"}
    found = resolved(tmp_path, TOY | {"cells": cells, "claims": [claim | {"other": "none less relu"}]})
    scores = table(seeds, none=[0.5, 0.6, 0.7], relu=[0.4, 0.52, 0.6], elu=[0.9, 0.8, 0.85], tanh=[0.3, 0.2, 0.25])
    answer = StudyResults(found, scores, tuple(range(seeds))).answer(found.claims[0])
    assert answer.verdict == "holds"
    assert answer.difference == pytest.approx(0.5 if seeds == 1 else 0.6 - 0.28 / 3)
    with pytest.raises(ConfigError, match=r"other: there is no 'rely'.*mean 'relu'"):
        resolved(tmp_path, TOY | {"cells": cells, "claims": [claim | {"other": "none less rely"}]})


def test_the_interval_over_seeds_is_students() -> None:
    found = t_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, 2 - 2.4841, 2 + 2.4841), abs=1e-4)
    assert np.isnan(t_interval([1.0]).low)
    assert t_interval([1.0], exact=True).high == 1.0


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
    assert "Listening test mos of seed 0: none, sigmoid, oracle; 2 items" in (tmp_path / "out" / "table.md").read_text()
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
