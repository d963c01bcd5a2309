"""Listening packages: that they are blind, fair to every system, and readable by the programs that run them."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from vcbench.audio import AudioError
from vcbench.corpora.corpus import Speaker, Utterance
from vcbench.listening.anchors import anchor, low_pass
from vcbench.listening.bundle import build, code
from vcbench.listening.clips import faded, level, loudness, true_peak
from vcbench.listening.design import KINDS, ListeningError, plan
from vcbench.listening.webmushra import dump
from vcbench.metric import Conversion

RATE = 22050
SYSTEMS = ["flowvc", "again_vc", "third_system"]
ROWS = [*SYSTEMS, "source", "oracle", "target", "world"]
CONDITIONS = ["seen->seen", "seen->unseen"]


def speechlike(seconds: float, pitch: float, rate: int, gain: float) -> np.ndarray:
    """Syllables of a buzz through two resonances, with silence at both ends."""
    generator = np.random.default_rng(round(pitch * 100 + seconds * 7))
    time = np.arange(round(seconds * rate)) / rate
    buzz = signal.sawtooth(2 * np.pi * pitch * time) + 0.05 * generator.normal(size=len(time))
    for centre in (700.0, 1800.0):
        b, a = signal.iirpeak(centre, 4, fs=rate)
        buzz = buzz + 4 * signal.lfilter(b, a, buzz)
    wave = buzz * (0.15 + np.sin(2 * np.pi * 3 * time) ** 2)
    wave *= gain / np.abs(wave).max()
    wave[: rate // 10] = wave[-rate // 10 :] = 0
    return wave.astype(np.float32)


@dataclass
class FinishedRun:
    """A run's folder with real audio files, as the stages before leave it."""

    folder: Path
    trials: pd.DataFrame
    conversions: list[Conversion]
    utterances: dict[str, Utterance]
    systems: list[str] = field(default_factory=lambda: list(SYSTEMS))
    rows: list[str] = field(default_factory=lambda: list(ROWS))
    corpus: Any = field(default_factory=lambda: SimpleNamespace(name="mini"))

    def utterance(self, identity: str) -> Utterance:
        return self.utterances[identity]


def make_run(folder: Path, same_words: bool = True, seconds: float = 1.2, trials: int = 4) -> FinishedRun:
    utterances, rows, conversions = {}, [], []
    for index in range(trials):
        source, target = f"a{index}", f"b{index}"
        for identity, speaker, pitch, rate in [
            (source, "anna", 210, 16000), (target, "bert", 110, 44100), (f"e{index}", "bert", 115, 24000),
            (f"r{index}", "bert", 120, 22050),
        ]:  # fmt: skip
            path = folder / "corpus" / f"{identity}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, speechlike(seconds + 0.1 * index, pitch + index, rate, 0.4), rate)
            text = f"Sentence number {index}." if same_words or speaker == "anna" else f"Other words {identity}."
            utterances[identity] = Utterance(identity, speaker, path, text)
        trial = f"t{index:04d}"
        rows.append(
            {
                "trial": trial, "condition": CONDITIONS[index % 2], "source": source, "source_speaker": "anna",
                "target_speaker": "bert", "references": [f"r{index}"], "enrolment": [f"e{index}"], "target_utterance": target,
            }
        )  # fmt: skip
        for number, row in enumerate(ROWS):
            path = folder / "converted" / row / f"{trial}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            wave = speechlike(seconds + 0.1 * index + 0.05 * number, 150 + 20 * number, RATE, 0.05 + 0.13 * number)
            soundfile.write(path, wave, RATE, subtype="PCM_16")
            conversions.append(
                Conversion(
                    row, trial, CONDITIONS[index % 2], path, "hash", utterances[source], utterances[source],
                    Speaker("bert", (utterances[f"r{index}"],)), (utterances[f"e{index}"],),
                )
            )  # fmt: skip
    return FinishedRun(folder, pd.DataFrame(rows), conversions, utterances)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module", params=list(KINDS))
def package(request: pytest.FixtureRequest, run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / request.param
    build(run, request.param, out, items=3, seed=1)
    return out


def read(package: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Manifest, key, and webMUSHRA configuration."""
    manifest = json.loads((package / "manifest.json").read_text())
    key = json.loads((package.parent / f"{package.name}.key.json").read_text())
    config = yaml.safe_load((package / "webmushra" / f"{manifest['test']}.yaml").read_text())
    return manifest, key, config


def rated(config: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = [page for page in config["pages"] if isinstance(page, list)]
    assert [block[0] for block in blocks] == ["random"]
    return blocks[0][1:]


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


def test_the_key_names_every_clip_and_its_page(package: Path, run: FinishedRun) -> None:
    manifest, key, _ = read(package)
    rows = {"mos": [*SYSTEMS, "source", "oracle", "world"], "similarity": [*SYSTEMS, "source", "target", "world"]}
    expected = rows.get(manifest["test"], [*SYSTEMS, "world", "anchor35", "anchor70"])
    for page in manifest["pages"]:
        roles = {key["clips"][name]["role"] for name in page["stimuli"]}
        assert roles == set(expected) if manifest["test"] == "mushra" else len(roles) == 1
        assert {key["clips"][name]["page"] for name in page["stimuli"]} == {page["id"]}
    counts = pd.Series([clip["role"] for clip in key["clips"].values() if clip["role"] != "reference"]).value_counts()
    assert counts.to_dict() == dict.fromkeys(expected, 3)
    conditions = {clip["trial"] for clip in key["clips"].values()}
    assert len(conditions) == 3
    assert {page["condition"] for page in key["pages"].values()} == set(CONDITIONS)
    assert hashlib.sha256((package / "SHA256SUMS").read_bytes()).hexdigest() == key["sums"]


def test_a_clip_is_the_recording_that_the_key_names(package: Path, run: FinishedRun) -> None:
    _, key, _ = read(package)
    paths = {(conversion.system, conversion.trial): conversion.path for conversion in run.conversions}
    systems = {name: clip for name, clip in key["clips"].items() if clip["role"] in ROWS}
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


def test_webmushra_configuration_has_what_its_pages_need(package: Path) -> None:
    manifest, _, config = read(package)
    assert config["testId"] == manifest["id"] == manifest["id"].lower()
    pages = rated(config)
    by_id = {page["id"]: page for page in manifest["pages"]}
    assert {page["id"] for page in pages} == set(by_id)
    folder = f"configs/{manifest['id']}/"
    for page in pages:
        assert set(page["stimuli"]) == set(by_id[page["id"]]["stimuli"])
        if manifest["test"] == "mushra":
            assert page["type"] == "mushra"
            assert not page["createAnchor35"]
            assert not page["createAnchor70"]
            assert len(page["stimuli"]) + 1 <= 12
            assert page["reference"] == f"{folder}audio/{by_id[page['id']]['reference']}.wav"
        else:
            assert page["type"] == "likert_single_stimulus"
            assert (page["mustRate"], page["mustPlayback"]) == (True, "ended")
            values = [point["value"] for point in page["response"]]
            assert values == list(range(1, 6 if manifest["test"] == "mos" else 5))
        assert ("<audio" in page["content"]) == (manifest["test"] == "similarity")
    for path in clip_paths(config):
        assert path.startswith(folder)
        assert (package / path.removeprefix(folder)).is_file()
    finish = config["pages"][-1]
    assert finish["type"] == "finish"
    assert [(q["name"], q["optional"]) for q in finish["questionnaire"]] == [("listener_id", False)]
    assert all("id" in page for page in [*config["pages"][:-2], *pages])


def clip_paths(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [path for value in content.values() for path in clip_paths(value)]
    if isinstance(content, list):
        return [path for value in content for path in clip_paths(value)]
    if isinstance(content, str) and ".wav" in content:
        return [content.split("src='")[1].split("'")[0]] if "<audio" in content else [content]
    return []


def test_configuration_keeps_to_the_dialect(package: Path) -> None:
    """One line per page, no nested dash, no escape: what webMUSHRA's parser reads wrongly is not there."""
    text = next(package.glob("webmushra/*.yaml")).read_text()
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
    """js-yaml, and yamljs, which is webMUSHRA's parser; where node has them."""
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
    key = build(make_run(tmp_path / "run", same_words), "mushra", tmp_path / "out", items=2)
    assert json.loads(key.read_text())["name"] == name
    manifest, _, config = read(tmp_path / "out")
    assert manifest["name"] == name
    assert [page["content"] for page in rated(config)] == [manifest["question"]] * 2
    assert ("whatever is said" in manifest["question"]) == (not same_words)


def test_the_same_salt_builds_the_same_package_and_another_does_not(run: FinishedRun, tmp_path: Path) -> None:
    for name, salt in [("one", "x"), ("two", "x"), ("three", None)]:
        build(run, "mos", tmp_path / name, items=2, seed=4, salt=salt)
    sums = [(tmp_path / name / "SHA256SUMS").read_text() for name in ("one", "two", "three")]
    assert sums[0] == sums[1]
    assert not set(sums[0].splitlines()) & set(sums[2].splitlines())


def test_the_seed_chooses_items_and_order(run: FinishedRun) -> None:
    plans = [plan(run, "mos", 2, seed) for seed in range(6)]
    assert plan(run, "mos", 2, 0) == plans[0]
    assert len({tuple(page.trial for page in made.pages) for made in plans}) > 1
    for made in plans:
        assert {page.condition for page in made.pages} == set(CONDITIONS)


def test_named_rows_and_failed_trials(run: FinishedRun, tmp_path: Path) -> None:
    kept = [c for c in run.conversions if (c.system, c.trial) not in {("flowvc", "t0000"), ("world", "t0001")}]
    failed = FinishedRun(run.folder, run.trials, kept, run.utterances)
    assert {page.trial for page in plan(failed, "mos", 2, 0).pages} == {"t0002", "t0003"}
    made = plan(failed, "mos", 3, 0, rows=["flowvc", "again_vc"])
    assert made.rows == ("flowvc", "again_vc")
    assert {page.trial for page in made.pages} == {"t0001", "t0002", "t0003"}
    with pytest.raises(ListeningError, match=r"3 items were asked for; 2 of the run's 4 trials .* Ask for 1 to 2"):
        plan(failed, "mos", 3, 0)


def refusals() -> list[tuple[dict[str, Any], dict[str, Any], str]]:
    return [
        ({}, {"test": "abx"}, "no test 'abx'; allowed: mos, similarity, mushra"),
        ({"conversions": []}, {}, "has no conversions"),
        ({"systems": ["flowvc"], "rows": ["flowvc", "source"]}, {}, "at least two systems; converted here: flowvc"),
        ({}, {"rows": ["flowvc", "source"]}, "at least two systems"),
        ({}, {"rows": ["flowvc", "nobody"]}, "no row nobody; it has flowvc"),
        ({}, {"items": 0}, "0 items were asked for"),
    ]


@pytest.mark.parametrize(("changes", "arguments", "message"), refusals())
def test_what_cannot_be_compared_is_refused(
    run: FinishedRun, tmp_path: Path, changes: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    other = FinishedRun(**(vars(run) | changes))
    with pytest.raises(ListeningError, match=message):
        build(other, **({"test": "mos", "out": tmp_path / "out", "items": 2} | arguments))
    assert not list(tmp_path.iterdir())


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
        plan(other, "mushra", 2, 0)
    assert len(plan(other, "mos", 2, 0).pages) == 20


def test_items_too_long_for_mushra_are_left_out(tmp_path: Path) -> None:
    long = make_run(tmp_path, seconds=11.7, trials=2)  # the last row of the second trial passes 12 s
    with pytest.raises(ListeningError, match="last at most 12 s"):
        plan(long, "mushra", 2, 0)
    assert len(plan(long, "mos", 2, 0).pages) == 12


def test_nothing_that_exists_is_overwritten(run: FinishedRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    key = build(run, "mos", out, items=2)  # an empty folder is taken
    assert key == tmp_path / "out.key.json"
    before = key.read_bytes()
    with pytest.raises(ListeningError, match="not an empty folder"):
        build(run, "mos", out, items=2)
    shutil.rmtree(out)
    with pytest.raises(ListeningError, match="key of another package"):
        build(run, "mos", out, items=2)
    assert key.read_bytes() == before
    (tmp_path / "file").write_text("")
    with pytest.raises(ListeningError, match="not an empty folder"):
        build(run, "mos", tmp_path / "file", items=2)


@pytest.mark.parametrize("inside", ["out/key.json", "out/../out/deep/key.json", "out"])
def test_a_key_inside_the_package_is_refused(run: FinishedRun, tmp_path: Path, inside: str) -> None:
    with pytest.raises(ListeningError, match="would lie inside the package"):
        build(run, "mos", tmp_path / "out", items=2, key=tmp_path / inside)
    assert not list(tmp_path.iterdir())


def test_a_broken_clip_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = make_run(tmp_path / "run")
    for conversion in broken.conversions:
        if conversion.system == "again_vc":
            conversion.path.write_bytes(conversion.path.read_bytes()[:200])
    (tmp_path / "tests").mkdir()
    with pytest.raises(AudioError, match="again_vc"):
        build(broken, "mos", tmp_path / "tests" / "out", items=2)
    assert not list((tmp_path / "tests").iterdir())


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("pass_band", [3500.0, 7000.0])
def test_anchors_keep_to_the_mask(rate: int, pass_band: float) -> None:
    """The mask of the 3.5 kHz anchor (BS.1534-3), and the same distances from 7 kHz."""
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
    """Crest factor above 22 dB: -23 LUFS would clip."""
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
    short = make_run(tmp_path / "run", seconds=0.25, trials=2)
    with pytest.raises(ListeningError, match="s of speech; loudness is measured over"):
        build(short, "mos", tmp_path / "out", items=2)


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
