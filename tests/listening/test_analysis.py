"""A bundle, answered and analysed: the report, and the run's own tables."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.support.listening_helpers import RATE, make_session, signed
from tests.support.made_speech import speechlike
from tests.support.made_up_run import made_up_run
from vcbench.base.errors import UserError
from vcbench.base.state import write_parquet
from vcbench.cli.app import app
from vcbench.cli.verbs import report
from vcbench.listening.answers.key import open_key
from vcbench.listening.design.build import build
from vcbench.listening.options import Options
from vcbench.speech import audio

PREDICTED = {"flowvc": 0.7, "again_vc": 0.65, "third_system": 0.4, "source": 0.2, "target": 0.9}
HEARD = "Naturalness, rated (1-5)"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and a listening test of it, answered by six listeners; listener 6 rates everything 3."""
    folder = tmp_path_factory.mktemp("study")
    run = made_up_run(folder / "run", list(PREDICTED)[:3], PREDICTED)
    for number, row in enumerate(run.rows):
        for trial in run.trials["trial"]:
            wave = speechlike(0.5, 100.0 + 20 * number, RATE, 0.3)
            audio.write(run.folder / "converted" / row / f"{trial}.flac", wave, RATE)
    options = Options(items=4, listeners=6, per_item=6, traps=1, contrast=("flowvc", "third_system"))
    key = open_key(build(run, "mos", folder / "mos", options))
    random, levels = np.random.default_rng(0), {"flowvc": 4.4, "again_vc": 3.0, "third_system": 1.6}
    (folder / "results").mkdir()
    for listener in range(1, 7):
        document = make_session(key.bundle, listener, listener)
        for answer in document["answers"] if listener < 6 else []:
            level = levels.get(key.content["clips"][answer["clip"]]["role"], 4.6)
            answer["rating"] = int(np.clip(round(random.normal(level, 0.5)), 1, 5))
            if answer["page"] in key.gold:
                answer["rating"] = key.gold[answer["page"]]["accepted"][answer["clip"]][0]
        (folder / "results" / f"{listener}.json").write_bytes(signed(document))
    return folder


def analyse_study(study: Path) -> Any:
    command = f"listen analyse --key {study}/mos.key {study}/results --run {study}/run"
    return CliRunner().invoke(app, command.split())


def test_an_answered_bundle_is_analysed(study: Path) -> None:
    done = analyse_study(study)
    assert done.exit_code == 0, done.output
    assert "Screened: listener 6, ratings all the same" in done.output
    assert "5 listeners count after 1 was left out; 6 were planned." in done.output
    assert (
        "With 5 listeners Wilcoxon's test cannot reach the level of 0.05 that the primary contrast needs; it takes at least 6"
        in done.output
    )
    out = study / "mos.analysis"
    found = json.loads((out / "analysis.json").read_text())
    assert found["plan_kept"] is True
    assert (found["before"]["listeners"], found["after"]["listeners"]) == (6, 5)
    answers = pd.read_csv(out / "answers.csv", dtype={"listener": str})
    rated = answers[(answers["purpose"] == "rated") & (answers["listener"] != "6")]
    means = rated.groupby("system")["rating"].mean()
    scores = pd.DataFrame(found["after"]["scores"]).query("condition == 'all'").set_index("system")
    assert scores["mean"].to_dict() == pytest.approx(means.to_dict())
    assert scores["mean"][["flowvc", "again_vc", "third_system"]].is_monotonic_decreasing
    text = (out / "paragraph.txt").read_text().strip()
    assert text in (out / "analysis.md").read_text()
    assert text in done.output
    for number in (
        f"{len(rated)} ratings",
        f"flowvc {means['flowvc']:.2f} [",
        "1 of them was left out by rules fixed before",
    ):
        assert number in text
    assert "## Scores before screening" in (out / "analysis.md").read_text()
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert all(f">{row}<" in (out / "scores.svg").read_text() for row in scores.index)
    _check_merged(study, means)


def _check_merged(study: Path, means: pd.Series) -> None:
    """The ratings are in the run's tables and report, before the predicted scores, also when these are made again."""
    board = pd.read_csv(study / "run" / "leaderboard.csv").query("condition == 'all'")
    cells = board.pivot(index="system", columns="title", values="mean")
    assert cells[HEARD].dropna().to_dict() == pytest.approx(means.to_dict())
    assert set(means.index) == {*PREDICTED, "source"} - {"target"}
    systems = cells.loc[["flowvc", "again_vc", "third_system"]]
    r = np.corrcoef(systems[HEARD], systems["Cosine <x>"])[0, 1]
    said = (
        f"with Cosine \\<x> {r:.2f}, 1.00 (3 systems)."  # the other metrics are equal for all systems: no correlation
    )
    lines = (study / "run" / "leaderboard.md").read_text().splitlines()
    assert next(line for line in lines if line.startswith("| system")).split("|")[4].strip() == f"{HEARD} ↑¹"
    (footnote,) = [line for line in lines if line.startswith("1. ")]
    assert "5 listeners (1 more were left out), 4 items of seen->seen, unseen->unseen" in footnote
    assert footnote.endswith(said)
    (study / "run" / "report.html").unlink()
    page = report(study / "run").read_text()
    assert page.count(f">{HEARD}") >= 4  # tables of all and of two conditions, and the plot of intervals
    assert said.replace("\\<x>", "&lt;x&gt;") in page


def test_answers_to_other_recordings_stay_out_of_the_tables(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study, tmp_path / "study")
    run = tmp_path / "study" / "run"
    assert analyse_study(tmp_path / "study").exit_code == 0
    outcomes = pd.read_parquet(run / "converted" / "flowvc" / "conversions.parquet")
    write_parquet(run / "converted" / "flowvc" / "conversions.parquet", outcomes.assign(audio_hash="1"))
    report(run)
    page = (run / "report.html").read_text()
    assert "n/a: listeners rated recordings of flowvc that the run no longer has." in page
    refused = analyse_study(tmp_path / "study")
    assert isinstance(refused.exception, UserError)
    assert "does not have the recordings of flowvc that listeners rated" in str(refused.exception)


def test_a_changed_plan_is_said(study: Path, tmp_path: Path) -> None:
    shutil.copytree(study / "mos.key", tmp_path / "mos.key")
    plan = tmp_path / "mos.key" / "analysis_plan.toml"
    lenient = plan.read_text().replace("minimum_variance = 0.1", "minimum_variance = 0.0")
    plan.write_text(lenient.replace("traps_share = 0.5", "traps_share = 0.0"))
    arguments = ["listen", "analyse", "--key", str(tmp_path / "mos.key"), "--bundle", str(study / "mos")]
    done = CliRunner().invoke(app, [*arguments, str(study / "results")])
    assert done.exit_code == 0, done.output
    assert "The analysis plan was changed after the bundle was exported." in done.output
    assert "No listener broke a screening rule (rules changed after the bundle was exported)." in done.output
    plan.write_text(plan.read_text().replace("alpha = 0.05", 'alpha = "small"'))
    done = CliRunner().invoke(app, [*arguments, str(study / "results")])
    assert "analysis_plan.toml: alpha: Input should be a valid number" in str(done.exception)


def test_a_pilot_says_how_many_listeners_a_test_needs(study: Path) -> None:
    arguments = f"listen plan --difference 0.5 --pilot {study}/results --key {study}/mos.key --items 10 --each 5"
    done = CliRunner().invoke(app, arguments.split())
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert re.match(
        r"\d+ listeners who rate 5 of 10 clips of each system find a difference of 0.5 with a power of 0.[89]", said
    )
    assert "--test mos --items 10" in said


def test_the_ordinal_model_is_in_the_report_if_asked_for(study: Path, tmp_path: Path) -> None:
    arguments = f"listen analyse --key {study}/mos.key {study}/results --out {tmp_path}/out --ordinal"
    done = CliRunner().invoke(app, arguments.split())
    assert done.exit_code == 0, done.output
    report = (tmp_path / "out" / "analysis.md").read_text()
    assert "## Cumulative-link mixed model: category" in report
    model = json.loads((tmp_path / "out" / "analysis.json").read_text())["odds"]
    assert f"against {model['baseline']}. Variances: listener" in report
    assert "A cumulative-link mixed model" in (tmp_path / "out" / "paragraph.txt").read_text()
    odds = pd.DataFrame(model["effects"])
    assert odds["system"].tolist()[:2] == ["again_vc", "third_system"]  # against flowvc, the best
    assert (odds["estimate"][:2] < 0).all()
