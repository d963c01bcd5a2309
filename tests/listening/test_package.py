"""A listening package is blind, complete, and agrees with its key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.listening_helpers import (
    CONDITIONS,
    SYSTEMS,
    read_package,
)
from tests.support.recordings import FakeRun
from vcbench.base.state import read_state
from vcbench.listening.design.build import code
from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.kinds import KINDS
from vcbench.listening.texts import languages, texts


def test_nothing_in_the_package_tells_whose_a_clip_is(package: Path, run: FakeRun) -> None:
    words = [*SYSTEMS, *(trial.trial for trial in run.trials.itertuples()), "oracle", "world", "anchor35", "anchor70"]
    for path in package.rglob("*"):
        name = path.relative_to(package).as_posix()
        content = path.read_bytes().decode("latin-1") if path.is_file() else ""
        assert not [word for word in words if word in name or word in content], name
    manifest, key, _ = read_package(package)
    assert key["salt"] not in json.dumps(manifest)


def test_codes_are_opaque_new_on_every_page_and_never_numbers(package: Path) -> None:
    manifest, key, _ = read_package(package)
    used = [name for page in manifest["pages"] for name in filter(None, [*page["stimuli"], page["reference"]])]
    assert len(used) == len(set(used))
    assert {path.stem for path in package.glob("audio/*")} == {*used, manifest["volume"]}
    assert set(used) == set(key["clips"])
    for name in [*used, *(page["id"] for page in manifest["pages"])]:
        assert yaml.safe_load(name) == name
        with pytest.raises(ValueError, match="could not convert"):
            float(name)


def checks(test: str) -> dict[str, int]:
    """How many traps and gold pages `options_of` asks for."""
    return {"trap": int(test not in ("mushra", "bws")), "gold": 0 if test == "mushra" else 2}


RATED = {
    "mos": [*SYSTEMS, "source", "oracle", "world"],
    "similarity-mos": [*SYSTEMS, "source", "target", "world"],
    "acr": [*SYSTEMS, "source", "oracle", "world"],
    "dmos": [*SYSTEMS, "world"],
    "smos": [*SYSTEMS, "source", "target", "world"],
    **dict.fromkeys(["cmos", "ab", "preference", "abx", "bws"], SYSTEMS),
    "mushra": [*SYSTEMS, "world", "hidden_reference", "anchor35", "anchor70"],
}


def test_the_key_names_every_clip_and_its_page(package: Path) -> None:
    manifest, key, _ = read_package(package)
    test = manifest["test"]
    for page in manifest["pages"]:
        clips = [key["clips"][name] for name in page["stimuli"]]
        assert len(clips) == (2 if KINDS[test].pairs else {"bws": 3, "mushra": 7}.get(test, 1))
        assert {clip["page"] for clip in clips} == {page["id"]}
        assert {clip["trial"] for clip in clips} == {key["pages"][page["id"]]["trial"]}
    rated = [
        c for c in key["clips"].values() if key["pages"][c["page"]]["purpose"] == "rated" and c["role"] != "reference"
    ]
    times = 3 * (len(SYSTEMS) - 1) * (1 + KINDS[test].discriminates) if KINDS[test].pairs else 3
    assert Counter(clip["role"] for clip in rated) == dict.fromkeys(RATED[test], times)
    assert {page["condition"] for page in key["pages"].values() if page["purpose"] == "rated"} == set(CONDITIONS)
    assert hashlib.sha256((package / "SHA256SUMS").read_bytes()).hexdigest() == key["sums"]


def test_training_traps_and_gold_are_of_other_trials(package: Path) -> None:
    _, key, _ = read_package(package)
    trials: dict[str, set[str]] = {}
    for page in key["pages"].values():
        trials.setdefault(page["purpose"], set()).add(page["trial"])
    assert [len(trials[purpose]) for purpose in ("rated", "training")] == [3, 1]
    assert not trials["rated"] & (trials["training"] | trials.get("gold", set()) | trials.get("trap", set()))


def test_sheets_hold_every_clip_as_often_as_asked(package: Path) -> None:
    manifest, key, _ = read_package(package)
    sheets = json.loads((package / "sheets.json").read_text())
    stimuli = {page["id"]: page["stimuli"] for page in manifest["pages"]}
    shown: Counter[str] = Counter()
    for sheet in sheets.values():
        pages = [showing for one in sheet["rounds"] for showing in one]
        assert all(sorted(showing["order"]) == stimuli[showing["page"]] for showing in [*pages, *sheet["training"]])
        purposes = [key["pages"][showing["page"]]["purpose"] for showing in pages]
        assert purposes[0] == "rated"
        extras = Counter(purposes)
        assert (extras["trap"], extras["gold"]) == tuple(checks(manifest["test"]).values())
        assert {key["pages"][showing["page"]]["purpose"] for showing in sheet["training"]} == {"training"}
        assert 1 <= len(sheet["training"]) <= 6
        heard = Counter(
            key["clips"][c]["role"] for s in pages for c in s["order"] if key["pages"][s["page"]]["purpose"] == "rated"
        )
        assert len(set(heard.values())) == 1
        assert set(heard) == set(RATED[manifest["test"]])
        shown.update(showing["page"] for showing in pages)
    assert {shown[page] for page, of in key["pages"].items() if of["purpose"] == "rated"} == {2}


def test_right_answers_of_gold_and_traps_are_outside_and_on_the_scale(package: Path) -> None:
    manifest, key, _ = read_package(package)
    gold = read_state(package.with_name(f"{package.name}.key") / "gold.json", "")
    assert Counter(page["purpose"] for page in gold.values()) == (
        {purpose: count for purpose, count in checks(manifest["test"]).items() if count}
    )
    for page in gold.values():
        for name, values in page["accepted"].items():
            role = key["clips"][name]["role"]
            assert set(values) <= set(KINDS[manifest["test"]].values)
            if "rate_" in role:
                assert values == [int(role.split("rate_")[1])]
            if manifest["test"] in ("bws", "abx", "cmos") and role.startswith("gold:"):
                continue  # see below
            if KINDS[manifest["test"]].answer == "choice" and role.startswith("gold:"):
                assert values == [int(role == "gold:target")]
            elif role.startswith("gold:"):
                assert (max(values) == max(KINDS[manifest["test"]].values)) == (role == "gold:target")


def test_gold_pages_of_the_designs_that_compare(package: Path) -> None:
    manifest, key, _ = read_package(package)
    gold = read_state(package.with_name(f"{package.name}.key") / "gold.json", "")
    found = [
        {key["clips"][name]["role"].removeprefix("gold:"): values for name, values in page["accepted"].items()}
        for page in gold.values()
        if page["purpose"] == "gold"
    ]
    if manifest["test"] == "cmos":
        assert found == [{"target": [1, 2, 3], "noise": [-1, -2, -3]}] * 2
    if manifest["test"] == "bws":
        assert found == [{"target": [0, 1], "noise": [-1], "source": [0, 1]}] * 2
    if manifest["test"] == "abx":  # whichever is X is right
        assert [{role for role, values in page.items() if values == [1]} for page in found] == [{"target"}, {"noise"}]
        repeated = [key["pages"][page]["repeated"] for page, one in gold.items() if one["purpose"] == "gold"]
        assert repeated == ["gold:target", "gold:noise"]


def test_the_analysis_plan_is_fixed_with_the_bundle(package: Path) -> None:
    manifest, key, _ = read_package(package)
    text = (package.with_name(f"{package.name}.key") / "analysis_plan.toml").read_text()
    made = AnalysisPlan.model_validate(tomllib.loads(text))
    assert (made.bundle, made.test, made.alpha) == (manifest["id"], manifest["test"], 0.05)
    assert made.primary_contrast == ["flowvc", "again_vc"]
    assert (made.mushra is None) == (manifest["test"] != "mushra") == (made.category is not None)
    assert manifest["plan"] == hmac.new(key["salt"].encode(), text.encode(), hashlib.sha256).hexdigest()


def test_the_page_has_the_same_data_as_the_files(package: Path) -> None:
    """From file:// the page can only load scripts, so they contain manifest, sheets, texts and clips."""
    text = (package / "data.js").read_text()
    data = json.loads(text.removeprefix("vcbench.data = ").removesuffix(";\n"))
    assert data["manifest"] == json.loads((package / "manifest.json").read_text())
    assert data["sheets"] == json.loads((package / "sheets.json").read_text())
    for path in package.glob("audio/*.wav"):
        content = (package / "clips" / f"{path.stem}.js").read_text()
        assert base64.b64decode(content.split('"')[3]) == path.read_bytes()
    named = set(re.findall(r'(?:src|href)="([^"]+)"', (package / "index.html").read_text()))
    assert len(named) > 10
    assert not [name for name in named if not (package / name).is_file()]


def test_languages_have_the_same_texts() -> None:
    english = texts("en")
    assert set(languages()) >= {"en", "de"}
    for language in languages():
        words = texts(language)
        assert words.keys() == english.keys()
        for name, text in words.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[name])), (language, name)


def test_checksums_are_those_of_the_files(package: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {line.split("  ")[1] for line in (package / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert there == {*listed, "SHA256SUMS"}


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
@settings(deadline=None)
def test_codes_follow_from_the_secret_and_never_look_like_numbers(salt: str, one: str, other: str) -> None:
    made = code("s", salt, one)
    assert made == code("s", salt, one)
    assert (made == code("s", salt, other)) == (one == other)
    assert yaml.safe_load(made) == made
    assert made.isascii()
    assert made == made.lower()
