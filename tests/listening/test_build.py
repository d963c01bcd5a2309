"""Building a package: what the options decide, what is refused, and that nothing is overwritten or left behind."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.listening_helpers import (
    CONDITIONS,
    SMALL,
    make_run,
    read_package,
)
from tests.support.recordings import FakeRun
from vcbench.api.conversion import Conversion
from vcbench.cli.app import app
from vcbench.listening.design.build import build, build_all
from vcbench.listening.design.design import plan
from vcbench.listening.kinds import ListeningError, find_tests
from vcbench.listening.options import Options
from vcbench.speech.audio import AudioError


def test_in_a_preference_each_clip_is_as_often_a_as_b(run: FakeRun) -> None:
    design = plan(run, "preference", Options(items=3, listeners=6, per_item=4, training=1))
    sides = Counter(one for sheet in design.sheets for part in sheet.rounds for one in part)
    assert len(sides) == 2 * 3 * 3
    assert set(sides.values()) == {2}


def test_in_mushra_clips_change_places(run: FakeRun) -> None:
    design = plan(run, "mushra", Options(items=2, listeners=14, per_item=14, training=1))
    places = Counter(
        (shown.page, role, place)
        for sheet in design.sheets
        for part in sheet.rounds
        for shown in part
        for place, role in enumerate(shown.order)
    )
    assert set(places.values()) == {2}
    assert len(places) == 2 * 7 * 7


def test_the_same_salt_builds_the_same_package_and_another_does_not(run: FakeRun, tmp_path: Path) -> None:
    own = ("index.html", "style.css", "icon.svg", "scripts/", "translations.js", "collector.js", "consent.txt")
    for name, salt in [("one", "x"), ("two", "x"), ("three", None)]:
        build(run, "mos", tmp_path / name, SMALL, salt=salt)
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("one", "two", "three")]
    assert sums[0] == sums[1]
    same = set(sums[0].splitlines()) & set(sums[2].splitlines())
    assert all(line.split("  ")[1].startswith(own) for line in same)


def test_the_seed_chooses_items_and_sheets(run: FakeRun) -> None:
    plans = [plan(run, "mos", Options(items=2, listeners=4, per_item=2, seed=seed)) for seed in range(6)]
    assert plan(run, "mos", Options(items=2, listeners=4, per_item=2, seed=0)) == plans[0]
    assert len({tuple(page.trial for page in made.pages) for made in plans}) > 1
    for made in plans:
        assert {page.condition for page in made.pages if page.purpose == "rated"} == set(CONDITIONS)


def test_named_rows_and_failed_trials(run: FakeRun) -> None:
    kept = [c for c in run.conversions if (c.system, c.trial) not in {("flowvc", "t0000"), ("world", "t0001")}]
    failed = replace(run, conversions=kept)
    made = plan(failed, "mos", Options(items=4, listeners=4, per_item=2, training=0))
    assert {page.trial for page in made.pages} == {"t0002", "t0003", "t0004", "t0005"}
    made = plan(failed, "mos", Options(items=4, listeners=4, per_item=2, rows=("flowvc", "again_vc")))
    assert made.rows == ("flowvc", "again_vc")
    assert {page.trial for page in made.pages} == {f"t000{index}" for index in range(1, 6)}
    with pytest.raises(
        ListeningError, match=r"4 items and 1 trial for training.*; 4 of the run's 6 .* at most 3 items"
    ):
        plan(failed, "mos", Options(items=4, listeners=4, per_item=2))


def refusals() -> list[tuple[dict[str, Any], str, dict[str, Any], str]]:
    return [
        ({}, "pesq", {}, "Unknown test 'pesq'; allowed: mos, acr, .*mushra; presets: vcc2020, p808"),
        ({"conversions": []}, "mos", {}, "has no conversions"),
        ({"systems": ["flowvc"]}, "mos", {"rows": ("flowvc", "source")}, "two systems; converted here: flowvc"),
        ({}, "mos", {"rows": ("flowvc", "source")}, "at least two systems"),
        ({}, "mos", {"rows": ("flowvc", "nobody")}, "no row nobody; it has flowvc"),
        ({}, "mos", {"items": 0}, "0 items, 1 training trial,"),
        ({}, "mos", {"traps": -1}, "no number may be below 0"),
        ({}, "mushra", {"traps": 1}, "takes no traps or gold clips: its hidden reference"),
        ({}, "mos", {"per_item": 3}, "nobody rates a clip twice"),
        ({}, "mos", {"contrast": ("flowvc", "target")}, "primary contrast .* does not name two rows"),
        ({}, "mos", {"contrast": ("flowvc", "flowvc")}, "primary contrast .* does not name two rows"),
        ({}, "mos", {"condition": "unseen"}, "Unknown condition 'unseen'; the run has seen->seen, seen->unseen"),
        ({}, "mos", {"language": "fr"}, "no translation for 'fr'; available: ar, de, en"),
    ]


@pytest.mark.parametrize(("changes", "test", "asked", "message"), refusals())
def test_what_cannot_be_compared_is_refused(
    run: FakeRun, tmp_path: Path, changes: dict[str, Any], test: str, asked: dict[str, Any], message: str
) -> None:
    other = replace(run, **changes)
    with pytest.raises(ListeningError, match=message):
        build(other, test, tmp_path / "out", SMALL.model_copy(update=asked))
    assert not list(tmp_path.iterdir())


def test_a_preset_builds_its_tests_of_the_same_trials(run: FakeRun, tmp_path: Path) -> None:
    made = dict(build_all(run, find_tests("vcc2020").tests, tmp_path / "vcc", SMALL))
    assert [folder.name for folder in made] == ["mos", "similarity-mos"]
    keys = [json.loads((key / "key.json").read_text()) for key in made.values()]
    trials = [{page["trial"] for page in key["pages"].values() if page["purpose"] == "rated"} for key in keys]
    assert trials[0] == trials[1]
    assert [key["values"] for key in keys] == [[1, 5], [1, 4]]


def test_too_many_signals_for_mushra_are_refused(run: FakeRun) -> None:
    many = [f"system{index}" for index in range(10)]
    copies = [
        Conversion(**(vars(conversion) | {"system": row}))
        for row in many
        for conversion in run.conversions
        if conversion.system == "flowvc"
    ]
    other = replace(run, conversions=copies, systems=many, rows=many)
    with pytest.raises(
        ListeningError, match="at most 12 signals; 10 rows, the hidden reference and two anchors are 13"
    ):
        plan(other, "mushra", SMALL)
    assert len(plan(other, "mos", SMALL).pages) == 2 * 10 + 6


def test_items_too_long_for_mushra_are_left_out(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vcbench.listening.design.selection.MAXIMUM_SECONDS", 1.33
    )  # exceeded by the last row of the fourth trial
    kept = plan(run, "mushra", Options(items=3, listeners=3, per_item=2, training=0))
    assert {page.trial for page in kept.pages} == {"t0000", "t0001", "t0002"}
    four = Options(items=4, listeners=4, per_item=2, training=0)
    with pytest.raises(ListeningError, match=r"3 of the run's 6 trials .* and are at most 1 s long"):
        plan(run, "mushra", four)
    assert len({page.trial for page in plan(run, "mos", four).pages}) == 4


def test_nothing_that_exists_is_overwritten(run: FakeRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    key = build(run, "mos", out, SMALL)  # an empty folder is accepted
    assert key == tmp_path / "out.key"
    before = (key / "key.json").read_bytes()
    with pytest.raises(ListeningError, match="not an empty folder"):
        build(run, "mos", out, SMALL)
    shutil.rmtree(out)
    with pytest.raises(ListeningError, match="key of another package"):
        build(run, "mos", out, SMALL)
    assert (key / "key.json").read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(ListeningError, match="not an empty folder"):
        build(run, "mos", tmp_path / "file", SMALL)


@pytest.mark.parametrize("inside", ["out/key", "out/../out/deep/key", "out"])
def test_a_key_inside_the_package_is_refused(run: FakeRun, tmp_path: Path, inside: str) -> None:
    with pytest.raises(ListeningError, match="would be inside the package"):
        build(run, "mos", tmp_path / "out", SMALL, key=tmp_path / inside)
    assert not list(tmp_path.iterdir())


def test_a_broken_clip_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = make_run(tmp_path / "run")
    for conversion in broken.conversions:
        if conversion.system == "again_vc":
            conversion.path.write_bytes(conversion.path.read_bytes()[:200])
    (tmp_path / "tests").mkdir()
    with pytest.raises(AudioError, match="again_vc"):
        build(broken, "mos", tmp_path / "tests" / "out", SMALL)
    assert not list((tmp_path / "tests").iterdir())


def test_the_command_line_hands_over_every_option(
    run: FakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vcbench.run.run.Run.open", lambda folder: run)
    (tmp_path / "consent.txt").write_text("I, being of sound mind.")
    given = (
        f"listen build RUN --test preference --out {tmp_path}/out --items 1 --listeners 4 --per-item 4 --seed 5 "
        "--condition seen->seen --rows flowvc,again_vc,source --training 0 --traps 1 --gold 2 --no-preference "
        f"--contrast flowvc,source --language de --consent {tmp_path}/consent.txt --collector https://example.org/answers"
    )
    done = CliRunner().invoke(app, given.split())
    assert done.exit_code == 0, done.output
    manifest, key, _ = read_package(tmp_path / "out")
    purposes = Counter(page["purpose"] for page in key["pages"].values())
    assert purposes == {"rated": 3, "trap": 1, "gold": 2}
    assert (key["systems"], key["references"]) == (["flowvc", "again_vc"], ["source"])
    assert key["options"] == {
        "items": 1, "listeners": 4, "per_item": 4, "seed": 5, "condition": "seen->seen", "rows": ["flowvc", "again_vc", "source"],
        "training": 0, "traps": 1, "gold": 2, "no_preference": True, "contrast": ["flowvc", "source"], "language": "de",
        "consent": "I, being of sound mind.", "collector": "https://example.org/answers",
    }  # fmt: skip
    assert {page["condition"] for page in key["pages"].values()} == {"seen->seen", ""}  # a trap page has no condition
    assert (manifest["language"], manifest["no_preference"]) == ("de", True)
    assert len(json.loads((tmp_path / "out" / "sheets.json").read_text())) == 4
    assert (tmp_path / "out" / "consent.txt").read_text() == "I, being of sound mind.\n"
    assert (tmp_path / "out" / "collector.js").read_text() == 'vcbench.collector = "https://example.org/answers";\n'
    plan_text = (tmp_path / "out.key" / "analysis_plan.toml").read_text()
    assert tomllib.loads(plan_text)["primary_contrast"] == ["flowvc", "source"]
