"""Study files: shipped ones are valid, and bad ones are reported before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import GRID, LISTENING, TOY, resolved, write
from vcbench.base.settings import ConfigError
from vcbench.run import config
from vcbench.studies import study
from vcbench.studies.file import names


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
    assert len(flow) == 7
    assert len({str(sorted(settings.items())) for settings in trained.values()}) == 5 + 4 + 1 + 3 + 1  # CopyCat


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
    "an unknown listening test": (listened("abz"), "Unknown test 'abz'; allowed: mos"),
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
