"""Listening packages are blind, fair to every system, and readable by the programs that run them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import shutil
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from typer.testing import CliRunner

from tests.support.listening_helpers import CONDITIONS, RATE, ROWS, SYSTEMS, FinishedRun, make_run, speechlike
from vcbench.api.conversion import Conversion
from vcbench.cli.app import app
from vcbench.listening.design.anchors import anchor, low_pass
from vcbench.listening.design.build import build, code
from vcbench.listening.design.clips import faded, level, loudness, true_peak
from vcbench.listening.design.design import plan
from vcbench.listening.design.plan import AnalysisPlan
from vcbench.listening.design.webmushra import dump
from vcbench.listening.kinds import KINDS, ListeningError
from vcbench.listening.options import Options, pair
from vcbench.listening.texts import languages, texts
from vcbench.speech.audio import AudioError

SMALL = Options(items=2, listeners=2, per_item=2, training=1)


def options_of(test: str) -> Options:
    """Three items from six trials; one more is for training and, except in MUSHRA, two are for gold pages."""
    extras = {} if test == "mushra" else {"traps": 1, "gold": 2}
    return Options(
        items=3, listeners=3, per_item=2, seed=1, no_preference=True, contrast=("flowvc", "again_vc"), **extras
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module", params=list(KINDS))
def package(request: pytest.FixtureRequest, run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / request.param
    build(run, request.param, out, options_of(request.param))
    return out


def read(package: Path, listener: int = 1) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Manifest, key, and one listener's webMUSHRA configuration."""
    manifest = json.loads((package / "manifest.json").read_text())
    key = json.loads((package.with_name(f"{package.name}.key") / "key.json").read_text())
    config = yaml.safe_load((package / "webmushra" / f"listener_{listener:03d}.yaml").read_text())
    return manifest, key, config


def rating_pages(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Training pages, then the pages of the random block, whose rounds may be lists."""

    def flat(pages: list[Any]) -> Iterator[dict[str, Any]]:
        for page in pages:
            if isinstance(page, list):
                assert page[0] == "random" or isinstance(page[0], dict)
                yield from flat(page)
            elif isinstance(page, dict) and page["type"] in ("mushra", "likert_single_stimulus"):
                yield page

    assert [page[0] for page in config["pages"] if isinstance(page, list)] == ["random"]
    return flat(config["pages"])


def test_nothing_in_the_package_tells_whose_a_clip_is(package: Path, run: FinishedRun) -> None:
    words = [*SYSTEMS, *(trial.trial for trial in run.trials.itertuples()), "oracle", "world", "anchor35", "anchor70"]
    for path in package.rglob("*"):
        name = path.relative_to(package).as_posix()
        content = path.read_bytes().decode("latin-1") if path.is_file() else ""
        assert not [word for word in words if word in name or word in content], name
    manifest, key, _ = read(package)
    assert key["salt"] not in json.dumps(manifest)


def test_clips_are_pcm_with_no_other_chunk(package: Path) -> None:
    for path in package.glob("audio/*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        assert path.stat().st_size == 44 + 2 * info.frames  # RIFF header, format, samples
        assert path.read_bytes()[36:40] == b"data"


def test_clips_are_equally_loud_and_below_full_scale(package: Path) -> None:
    waves = {path: soundfile.read(path, dtype="float32")[0] for path in package.glob("audio/*.wav")}
    assert len(waves) > 10
    for wave in waves.values():
        assert loudness(wave, RATE) == pytest.approx(-23.0, abs=0.1)
        assert true_peak(wave) <= -0.9


def test_clips_of_a_page_have_one_length_and_soft_ends(package: Path) -> None:
    manifest, _, _ = read(package)
    for page in manifest["pages"]:
        for name in filter(None, [*page["stimuli"], page["reference"]]):
            wave, _ = soundfile.read(package / "audio" / f"{name}.wav")
            assert len(wave) == page["samples"]
            assert max(abs(wave[0]), abs(wave[-1])) < 1e-3


def test_codes_are_opaque_new_on_every_page_and_never_numbers(package: Path) -> None:
    manifest, key, _ = read(package)
    used = [name for page in manifest["pages"] for name in filter(None, [*page["stimuli"], page["reference"]])]
    assert len(used) == len(set(used))
    assert {path.stem for path in package.glob("audio/*")} == {*used, manifest["volume"]}
    assert set(used) == set(key["clips"])
    for name in [*used, *(page["id"] for page in manifest["pages"])]:
        assert yaml.safe_load(name) == name
        with pytest.raises(ValueError, match="could not convert"):
            float(name)


RATED = {
    "mos": [*SYSTEMS, "source", "oracle", "world"],
    "similarity-mos": [*SYSTEMS, "source", "target", "world"],
    "preference": SYSTEMS,
    "mushra": [*SYSTEMS, "world", "hidden_reference", "anchor35", "anchor70"],
}


def test_the_key_names_every_clip_and_its_page(package: Path) -> None:
    manifest, key, _ = read(package)
    test = manifest["test"]
    for page in manifest["pages"]:
        clips = [key["clips"][name] for name in page["stimuli"]]
        assert len(clips) == {"preference": 2, "mushra": 7}.get(test, 1)
        assert {clip["page"] for clip in clips} == {page["id"]}
        assert {clip["trial"] for clip in clips} == {key["pages"][page["id"]]["trial"]}
    rated = [
        c for c in key["clips"].values() if key["pages"][c["page"]]["purpose"] == "rated" and c["role"] != "reference"
    ]
    times = 3 * (len(SYSTEMS) - 1) if test == "preference" else 3
    assert Counter(clip["role"] for clip in rated) == dict.fromkeys(RATED[test], times)
    assert {page["condition"] for page in key["pages"].values() if page["purpose"] == "rated"} == set(CONDITIONS)
    assert hashlib.sha256((package / "SHA256SUMS").read_bytes()).hexdigest() == key["sums"]


def test_training_traps_and_gold_are_of_other_trials(package: Path) -> None:
    _, key, _ = read(package)
    trials: dict[str, set[str]] = {}
    for page in key["pages"].values():
        trials.setdefault(page["purpose"], set()).add(page["trial"])
    assert [len(trials[purpose]) for purpose in ("rated", "training")] == [3, 1]
    assert not trials["rated"] & (trials["training"] | trials.get("gold", set()) | trials.get("trap", set()))


def test_sheets_hold_every_clip_as_often_as_asked(package: Path) -> None:
    manifest, key, _ = read(package)
    sheets = json.loads((package / "sheets.json").read_text())
    stimuli = {page["id"]: page["stimuli"] for page in manifest["pages"]}
    shown: Counter[str] = Counter()
    for sheet in sheets.values():
        pages = [showing for one in sheet["rounds"] for showing in one]
        assert all(sorted(showing["order"]) == stimuli[showing["page"]] for showing in [*pages, *sheet["training"]])
        purposes = [key["pages"][showing["page"]]["purpose"] for showing in pages]
        assert purposes[0] == "rated"
        extras = Counter(purposes)
        assert (extras["trap"], extras["gold"]) == ((0, 0) if manifest["test"] == "mushra" else (1, 2))
        assert {key["pages"][showing["page"]]["purpose"] for showing in sheet["training"]} == {"training"}
        assert 1 <= len(sheet["training"]) <= 6
        heard = Counter(
            key["clips"][c]["role"] for s in pages for c in s["order"] if key["pages"][s["page"]]["purpose"] == "rated"
        )
        assert len(set(heard.values())) == 1
        assert set(heard) == set(RATED[manifest["test"]])
        shown.update(showing["page"] for showing in pages)
    assert {shown[page] for page, of in key["pages"].items() if of["purpose"] == "rated"} == {2}


def test_in_a_preference_each_clip_is_as_often_a_as_b(run: FinishedRun) -> None:
    design = plan(run, "preference", Options(items=3, listeners=6, per_item=4, training=1))
    sides = Counter(one for sheet in design.sheets for part in sheet.rounds for one in part)
    assert len(sides) == 2 * 3 * 3
    assert set(sides.values()) == {2}


def test_in_mushra_clips_change_places(run: FinishedRun) -> None:
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


def test_right_answers_of_gold_and_traps_are_outside_and_on_the_scale(package: Path) -> None:
    manifest, key, _ = read(package)
    gold = json.loads((package.with_name(f"{package.name}.key") / "gold.json").read_text())
    assert Counter(page["purpose"] for page in gold.values()) == (
        {} if manifest["test"] == "mushra" else {"trap": 1, "gold": 2}
    )
    for page in gold.values():
        for name, values in page["accepted"].items():
            role = key["clips"][name]["role"]
            assert set(values) <= set(KINDS[manifest["test"]].values)
            if "rate_" in role:
                assert values == [int(role.split("rate_")[1])]
            if manifest["test"] == "preference" and role.startswith("gold:"):
                assert values == [int(role == "gold:target")]
            elif role.startswith("gold:"):
                assert (max(values) == max(KINDS[manifest["test"]].values)) == (role == "gold:target")


def test_the_analysis_plan_is_fixed_with_the_bundle(package: Path) -> None:
    manifest, key, _ = read(package)
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


def test_a_clip_is_the_recording_that_the_key_names(package: Path, run: FinishedRun) -> None:
    _, key, _ = read(package)
    paths = {(conversion.system, conversion.trial): conversion.path for conversion in run.conversions}
    systems = {name: clip for name, clip in key["clips"].items() if clip["role"] in ROWS}
    systems = dict(list(systems.items())[:4])
    for name, clip in systems.items():
        wave, _ = soundfile.read(package / "audio" / f"{name}.wav")
        scores = {}
        for row in ROWS:
            original, _ = soundfile.read(paths[row, clip["trial"]])
            matched = signal.correlate(original, wave, method="fft").max()
            scores[row] = matched / (np.linalg.norm(original) * np.linalg.norm(wave))
        assert max(scores, key=scores.__getitem__) == clip["role"]
        assert scores[clip["role"]] > 0.99


def test_checksums_are_those_of_the_files(package: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {line.split("  ")[1] for line in (package / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert there == {*listed, "SHA256SUMS"}


def test_webmushra_configurations_have_what_their_pages_need(package: Path) -> None:
    manifest, key, _ = read(package)
    sheets = json.loads((package / "sheets.json").read_text())
    for number in map(int, sheets):
        _, _, config = read(package, number)
        pages = list(rating_pages(config))
        check_pages(manifest, key, pages)
        shown = [*sheets[str(number)]["training"], *(page for one in sheets[str(number)]["rounds"] for page in one)]
        assert [page["id"] for page in pages] == [page["page"] for page in shown]
        assert config["testId"] == manifest["id"] == manifest["id"].lower()
        for path in clip_paths(config):
            assert path.startswith(f"configs/{manifest['id']}/")
            assert (package / path.removeprefix(f"configs/{manifest['id']}/")).is_file()
        finish = config["pages"][-1]
        assert finish["type"] == "finish"
        assert [(q["name"], q["optional"]) for q in finish["questionnaire"]] == [("listener_id", False)]
        assert all("id" in page for page in config["pages"][:-1] if isinstance(page, dict))
        assert config["pages"][0]["mustConsent"]


def check_pages(manifest: dict[str, Any], key: dict[str, Any], pages: list[dict[str, Any]]) -> None:
    by_id = {page["id"]: page for page in manifest["pages"]}
    values = {"mos": [1, 2, 3, 4, 5], "similarity-mos": [1, 2, 3, 4], "preference": [1, 2, 0]}
    for page in pages:
        shown = by_id[page["id"]]
        if manifest["test"] == "mushra":
            assert page["type"] == "mushra"
            assert not page["createAnchor35"]
            assert not page["createAnchor70"]
            hidden = {name for name in shown["stimuli"] if key["clips"][name]["role"] == "hidden_reference"}
            assert set(page["stimuli"]) == set(shown["stimuli"]) - hidden
            assert page["reference"].endswith(f"audio/{shown['reference']}.wav")
            continue
        assert page["type"] == "likert_single_stimulus"
        assert (page["mustRate"], page["mustPlayback"]) == (True, "ended")
        assert [point["value"] for point in page["response"]] == values[manifest["test"]]
        assert page["content"].count("<audio") == {"mos": 0, "similarity-mos": 1, "preference": 2}[manifest["test"]]
        heard = {Path(path).stem for path in clip_paths(page)}
        assert heard == {*shown["stimuli"], *([shown["reference"]] if shown["reference"] else [])}


def clip_paths(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [path for value in content.values() for path in clip_paths(value)]
    if isinstance(content, list):
        return [path for value in content for path in clip_paths(value)]
    return re.findall(r"configs/[^']+\.wav", content) if isinstance(content, str) else []


def test_configuration_keeps_to_the_dialect(package: Path) -> None:
    """One line per page, no nested dash, no escape: nothing that webMUSHRA's parser reads wrongly."""
    text = (package / "webmushra" / "listener_002.yaml").read_text()
    assert "- - " not in text
    assert "\\" not in text
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        if line.startswith("  - "):
            json.loads(line.removeprefix("  - "))
        elif key != "pages:":
            json.loads(value)


def test_letters_stay_letters() -> None:
    text = dump({"testname": "Natürlichkeit: größer", "pages": [["random", {"content": "日本 é"}]]})
    assert "\\" not in text
    assert "größer" in text
    assert "日本 é" in text
    assert yaml.safe_load(text) == {"testname": "Natürlichkeit: größer", "pages": [["random", {"content": "日本 é"}]]}


def test_parsers_of_javascript_read_the_same(package: Path, tmp_path: Path) -> None:
    """js-yaml, and yamljs, which is webMUSHRA's parser; if node has them."""
    probe = "for (const name of ['js-yaml', 'yamljs']) require.resolve(name)"
    if (
        shutil.which("node") is None
        or subprocess.run(["node", "-e", probe], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs node with js-yaml and yamljs (NODE_PATH)")
    path = next(package.glob("webmushra/*.yaml"))
    script = (
        "const text = require('fs').readFileSync(process.argv[1], 'utf8');"
        "console.log(JSON.stringify([require('js-yaml').load(text), require('yamljs').parse(text)]))"
    )
    done = subprocess.run(["node", "-e", script, str(path)], capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout)
    assert first == second == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(("same_words", "name"), [(True, "mushra"), (False, "mushra-like")])
def test_other_words_in_the_reference_are_not_called_mushra(tmp_path: Path, same_words: bool, name: str) -> None:
    build(make_run(tmp_path / "run", same_words, trials=3), "mushra", tmp_path / "out", SMALL)
    manifest, key, config = read(tmp_path / "out")
    assert key["name"] == manifest["name"] == name
    asked = {page["content"] for page in rating_pages(config)}
    assert asked == {texts("en")[f"{name}.question"]}


def test_the_same_salt_builds_the_same_package_and_another_does_not(run: FinishedRun, tmp_path: Path) -> None:
    own = ("index.html", "style.css", "icon.svg", "scripts/", "translations.js", "collector.js", "consent.txt")
    for name, salt in [("one", "x"), ("two", "x"), ("three", None)]:
        build(run, "mos", tmp_path / name, SMALL, salt=salt)
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("one", "two", "three")]
    assert sums[0] == sums[1]
    same = set(sums[0].splitlines()) & set(sums[2].splitlines())
    assert all(line.split("  ")[1].startswith(own) for line in same)


def test_the_seed_chooses_items_and_sheets(run: FinishedRun) -> None:
    plans = [plan(run, "mos", Options(items=2, listeners=4, per_item=2, seed=seed)) for seed in range(6)]
    assert plan(run, "mos", Options(items=2, listeners=4, per_item=2, seed=0)) == plans[0]
    assert len({tuple(page.trial for page in made.pages) for made in plans}) > 1
    for made in plans:
        assert {page.condition for page in made.pages if page.purpose == "rated"} == set(CONDITIONS)


def test_named_rows_and_failed_trials(run: FinishedRun) -> None:
    kept = [c for c in run.conversions if (c.system, c.trial) not in {("flowvc", "t0000"), ("world", "t0001")}]
    failed = FinishedRun(run.folder, run.trials, kept, run.utterances)
    made = plan(failed, "mos", Options(items=4, listeners=4, per_item=2, training=0))
    assert {page.trial for page in made.pages} == {"t0002", "t0003", "t0004", "t0005"}
    made = plan(failed, "mos", Options(items=4, listeners=4, per_item=2, rows=("flowvc", "again_vc")))
    assert made.rows == ("flowvc", "again_vc")
    assert {page.trial for page in made.pages} == {f"t000{index}" for index in range(1, 6)}
    with pytest.raises(
        ListeningError, match=r"4 items and 1 trials for training.*; 4 of the run's 6 .* at most 3 items"
    ):
        plan(failed, "mos", Options(items=4, listeners=4, per_item=2))


def refusals() -> list[tuple[dict[str, Any], str, dict[str, Any], str]]:
    return [
        ({}, "abx", {}, "Unknown test 'abx'; allowed: mos, similarity-mos, preference, mushra"),
        ({"conversions": []}, "mos", {}, "has no conversions"),
        ({"systems": ["flowvc"]}, "mos", {"rows": ("flowvc", "source")}, "two systems; converted here: flowvc"),
        ({}, "mos", {"rows": ("flowvc", "source")}, "at least two systems"),
        ({}, "mos", {"rows": ("flowvc", "nobody")}, "no row nobody; it has flowvc"),
        ({}, "mos", {"items": 0}, "0 items, 1 training trials"),
        ({}, "mos", {"traps": -1}, "no number may be below 0"),
        ({}, "mushra", {"traps": 1}, "takes no traps or gold clips: its hidden reference"),
        ({}, "mos", {"per_item": 3}, "nobody rates a clip twice"),
        ({}, "mos", {"contrast": ("flowvc", "target")}, "primary contrast .* does not name two rows"),
        ({}, "mos", {"contrast": ("flowvc", "flowvc")}, "primary contrast .* does not name two rows"),
        ({}, "mos", {"condition": "unseen"}, "Unknown condition 'unseen'; the run has seen->seen, seen->unseen"),
        ({}, "mos", {"language": "fr"}, "no translation for 'fr'; available: de, en"),
    ]


@pytest.mark.parametrize(("changes", "test", "asked", "message"), refusals())
def test_what_cannot_be_compared_is_refused(
    run: FinishedRun, tmp_path: Path, changes: dict[str, Any], test: str, asked: dict[str, Any], message: str
) -> None:
    other = FinishedRun(**(vars(run) | changes))
    with pytest.raises(ListeningError, match=message):
        build(other, test, tmp_path / "out", SMALL.model_copy(update=asked))
    assert not list(tmp_path.iterdir())


def test_a_contrast_is_two_names() -> None:
    assert pair("a,b") == ("a", "b")
    assert pair(None) is None
    with pytest.raises(ListeningError, match="received 'a'"):
        pair("a")


def test_too_many_signals_for_mushra_are_refused(run: FinishedRun) -> None:
    many = [f"system{index}" for index in range(10)]
    copies = [
        Conversion(**(vars(conversion) | {"system": row}))
        for row in many
        for conversion in run.conversions
        if conversion.system == "flowvc"
    ]
    other = FinishedRun(run.folder, run.trials, copies, run.utterances, many, many)
    with pytest.raises(
        ListeningError, match="at most 12 signals; 10 rows, the hidden reference and two anchors are 13"
    ):
        plan(other, "mushra", SMALL)
    assert len(plan(other, "mos", SMALL).pages) == 2 * 10 + 6


def test_items_too_long_for_mushra_are_left_out(run: FinishedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "vcbench.listening.design.selection.MAXIMUM_SECONDS", 1.33
    )  # exceeded by the last row of the fourth trial
    kept = plan(run, "mushra", Options(items=3, listeners=3, per_item=2, training=0))
    assert {page.trial for page in kept.pages} == {"t0000", "t0001", "t0002"}
    four = Options(items=4, listeners=4, per_item=2, training=0)
    with pytest.raises(ListeningError, match=r"3 of the run's 6 trials .* and are at most 1 s long"):
        plan(run, "mushra", four)
    assert len({page.trial for page in plan(run, "mos", four).pages}) == 4


def test_nothing_that_exists_is_overwritten(run: FinishedRun, tmp_path: Path) -> None:
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
def test_a_key_inside_the_package_is_refused(run: FinishedRun, tmp_path: Path, inside: str) -> None:
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


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("pass_band", [3500.0, 7000.0])
def test_anchors_keep_to_the_mask(rate: int, pass_band: float) -> None:
    """The mask of the 3.5 kHz anchor (BS.1534-3), and the same distances above 7 kHz."""
    frequencies, response = signal.freqz(low_pass(pass_band, rate), worN=2**16, fs=rate)
    decibels = 20 * np.log10(np.maximum(np.abs(response), 1e-9))
    assert np.abs(decibels[frequencies <= pass_band]).max() <= 0.1
    assert decibels[frequencies >= pass_band + 500].max() <= -25
    assert decibels[frequencies >= pass_band + 1000].max(initial=-99) <= -50


def test_anchor_of_a_real_signal_is_in_time_and_band_limited() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    made = anchor(noise, 3500.0, RATE)
    assert len(made) == len(noise)
    frequencies, power = signal.welch(made, RATE, nperseg=1024)
    assert 10 * np.log10(power[frequencies > 4500].mean() / power[frequencies < 3400].mean()) < -50
    assert np.argmax(signal.correlate(made, noise, method="fft")) == len(noise) - 1


def test_an_anchor_above_the_band_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a sampling rate above 15000 Hz, not 15000"):
        low_pass(7000.0, 15000)


def test_a_peaky_clip_lowers_all_alike() -> None:
    """With a crest factor above 22 dB, -23 LUFS would clip."""
    wave = speechlike(2.0, 120.0, RATE, 0.35)
    peaky = wave.copy()
    peaky[RATE] = 0.9
    levelled, common = level({"calm": wave, "peaky": peaky}, RATE)
    assert -30 < common < -23
    assert true_peak(levelled["peaky"]) == pytest.approx(-1.0, abs=0.01)
    for made in levelled.values():
        assert loudness(made, RATE) == pytest.approx(common, abs=0.05)
    with pytest.raises(ListeningError, match="peaky has peaks"):
        level({"calm": wave, "peaky": np.where(np.arange(len(wave)) == RATE, 0.9, wave / 20).astype(np.float32)}, RATE)


def test_a_clip_too_short_to_measure_is_refused(tmp_path: Path) -> None:
    short = make_run(tmp_path / "run", seconds=0.25, trials=3)
    with pytest.raises(ListeningError, match="s of speech; measuring its loudness needs"):
        build(short, "mos", tmp_path / "out", SMALL)


def test_fades_last_five_milliseconds_and_touch_nothing_else() -> None:
    wave = np.ones(RATE, dtype=np.float32)
    made = faded(wave, RATE)
    length = math.floor(0.005 * RATE + 0.5)
    assert (np.diff(made[:length]) > 0).all()
    assert (made[length:-length] == 1).all()
    np.testing.assert_allclose(made, made[::-1])


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_codes_follow_from_the_secret_and_never_look_like_numbers(salt: str, one: str, other: str) -> None:
    made = code("s", salt, one)
    assert made == code("s", salt, one)
    assert (made == code("s", salt, other)) == (one == other)
    assert yaml.safe_load(made) == made
    assert made.isascii()
    assert made == made.lower()


def test_the_command_line_hands_over_every_option(
    run: FinishedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    manifest, key, _ = read(tmp_path / "out")
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
