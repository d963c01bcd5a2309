"""Pretrained systems: exported from a run, they convert recordings and are scored without a training."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner
from vcbench.systems.again_vc.system import AgainVC

import vcbench
from tests.support.small_run import stages
from vcbench.api import pretrained
from vcbench.api.checkpoint import CheckpointError, read_header
from vcbench.api.pretrained import Index, PretrainedError, load_pretrained
from vcbench.base.errors import UserError
from vcbench.base.files import hash_file
from vcbench.base.state import read_state
from vcbench.cli.app import app
from vcbench.reporting.export import export
from vcbench.run.folder import RunError
from vcbench.run.pretrained import weights
from vcbench.run.run import Run
from vcbench.run.selection import open_run, select
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Corpus, Speaker

CHEAP = ["workers=1", "reference_rows=['source', 'target']"]
METRICS = ("speaker_similarity_ge2e", "word_error_rate", "efficiency")
NAMES = ("adain_vc", "again_vc")


def small_run(folder: Path, systems: str, trained: bool = False) -> Run:
    """A tiny run with few metrics, trained (or taken from what comes trained), converted, scored and tabulated."""
    config = select("tiny", None, CHEAP, systems, trained)
    metrics = {name: options for name, options in config.metrics.items() if name in METRICS}
    run = Run.create(folder, config.model_copy(update={"metrics": metrics}))
    stages(run)
    return Run.open(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("runs") / "trained", ",".join(NAMES))


@pytest.fixture(scope="module")
def exported(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    export(trained, [], folder)
    return folder


@pytest.fixture
def shipped(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what was exported, in the place of what comes with vcbench."""
    shutil.copytree(exported, tmp_path / "pretrained")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    return tmp_path / "pretrained"


@pytest.fixture
def desk(small_corpus: Corpus, tmp_path: Path) -> Path:
    for name, speaker in zip(("source", "target", "other"), small_corpus.speakers, strict=False):
        utterance = speaker.utterances[0]
        soundfile.write(tmp_path / f"{name}.wav", utterance.wave.numpy(), utterance.sampling_rate)
    return tmp_path


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_an_export_holds_weights_in_16_bits_an_index_and_cards_with_the_runs_figures(
    trained: Run, exported: Path
) -> None:
    assert {path.name for path in exported.iterdir()} == {
        "index.json", "adain_vc.safetensors", "adain_vc.md", "again_vc.safetensors", "again_vc.md",
    }  # fmt: skip
    index = Index.read(exported)
    assert set(index.systems) == set(NAMES)
    figures = {name: one.one_shot for name, one in index.systems.items()}
    assert index.best == max(NAMES, key=lambda name: (figures[name].converted_words, figures[name].similarity))
    board = vcbench.load_run(trained.folder).leaderboard.query("condition == 'unseen->unseen'")
    for name in NAMES:
        stored = load_file(exported / f"{name}.safetensors").values()
        assert {value.dtype for value in stored if value.is_floating_point()} == {torch.float16}
        origin = read_header(exported / f"{name}.safetensors").description["origin"]
        assert origin == {"corpus": "mini", "corpus_version": "2", "also": [], "preset": "tiny", "steps": 20}
        own = board[board["system"] == name].set_index("column")["mean"]
        assert figures[name].similarity == pytest.approx(own["similarity_ge2e"])
        assert figures[name].error_rate == pytest.approx(own["wer"])
        card = (exported / f"{name}.md").read_text()
        assert f"| {own['similarity_ge2e']:.3f} " in card
        assert f"{figures[name].nearer_target} of 1 conversion" in card
        for part in ("mini (version 2), which is synthetic speech", "Preset tiny: 20 steps of 4 x 64", "Apache"):
            assert part in card


def test_rounding_changes_a_converted_mel_by_little(trained: Run, shipped: Path, small_corpus: Corpus) -> None:
    source, target = small_corpus.speakers[0].utterances[0], Speaker("b", small_corpus.speakers[1].utterances[:1])
    for name in NAMES:
        exact, rounded = (
            trained.load_system(name).convert(source, target),
            load_pretrained(name).convert(source, target),
        )
        assert 0 < (exact - rounded).abs().max() < 0.02
        told = re.search(r"changes by (0\.\d+) on average", (shipped / f"{name}.md").read_text())
        assert told
        assert 0 < float(told[1]) < 0.02


def test_they_convert_in_a_batch_as_one_by_one(shipped: Path, small_corpus: Corpus) -> None:
    sources = [speaker.utterances[0] for speaker in small_corpus.speakers[:3]]
    targets = [Speaker("t", speaker.utterances[1:2]) for speaker in small_corpus.speakers[-3:]]
    system = load_pretrained("again_vc")
    for together, source, target in zip(system.convert_batch(sources, targets), sources, targets, strict=True):
        assert (together - system.convert(source, target)).abs().max() < 1e-4


def test_without_run_and_system_the_best_converts(shipped: Path, desk: Path) -> None:
    index, target = Index.read(shipped), ["--target", desk / "target.wav"]
    other = next(name for name in NAMES if name != index.best)
    for out, options in (("best.wav", []), ("named.wav", ["--system", index.best]), ("other.wav", ["--system", other])):
        done = invoke("convert", desk / "source.wav", *options, *target, "-o", desk / out)
        assert done.exit_code == 0, done.output
    best, named, different = (soundfile.read(desk / name)[0] for name in ("best.wav", "named.wav", "other.wav"))
    assert np.array_equal(best, named)
    assert not np.array_equal(best, different)
    wave, rate = vcbench.convert(desk / "source.wav", desk / "target.wav")
    assert (rate, len(wave)) == (22050, len(best))
    assert np.abs(wave - best).max() < 1e-3
    assert np.array_equal(vcbench.convert(desk / "source.wav", desk / "target.wav", system=index.best)[0], wave)
    done = invoke("convert", desk / "source.wav", desk / "other.wav", *target, "--out-dir", desk / "many")
    assert done.exit_code == 0, done.output
    assert np.abs(soundfile.read(desk / "many" / "source.flac")[0] - best).max() < 1e-3


def test_what_does_not_come_trained_is_told(shipped: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PretrainedError, match=r"without a trained 'again-vc'\. Did you mean 'again_vc'"):
        vcbench.convert(desk / "source.wav", desk / "target.wav", system="again-vc")
    assert "again_vc" in invoke("pretrained", "list").output
    (desk / "empty").mkdir()
    monkeypatch.setattr(pretrained, "FOLDER", desk / "empty")
    with pytest.raises(PretrainedError, match=r"comes without trained systems\. Train one"):
        vcbench.convert(desk / "source.wav", desk / "target.wav")
    with pytest.raises(PretrainedError, match="comes without trained systems"):
        raise invoke("run", "--pretrained", "--runs", desk).exception


def test_stale_foreign_and_damaged_weights_are_refused(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="hop is 256 there and 128 here"):
        load_pretrained("again_vc", MelSettings(hop=128))
    with monkeypatch.context() as patch:
        patch.setattr(AgainVC, "version", AgainVC.version + 1)
        with pytest.raises(CheckpointError, match=f"by version {AgainVC.version - 1} of again_vc; this is version"):
            load_pretrained("again_vc")
    path = shipped / "again_vc.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(PretrainedError, match="missing or damaged"):
        load_pretrained("again_vc")
    path.unlink()
    with pytest.raises(PretrainedError, match="missing or damaged"):
        load_pretrained("again_vc")
    (shipped / "index.json").write_text((shipped / "index.json").read_text().replace('"steps": 20', '"steps": 21'))
    with pytest.raises(UserError, match=r"index\.json is damaged"):
        load_pretrained("adain_vc")


def test_a_run_scores_them_without_a_training(shipped: Path, tmp_path: Path) -> None:
    run = small_run(tmp_path / "runs" / "scored", "again_vc", trained=True)
    assert run.config.systems["again_vc"]["pretrained"] == Index.read(shipped).systems["again_vc"].sha256
    assert not run.files.training_log("again_vc").exists()
    assert run.files.checkpoint("again_vc").read_bytes() == (shipped / "again_vc.safetensors").read_bytes()
    assert "again_vc: pretrained on mini (version 2), preset tiny, 20 steps." in run.files.leaderboard("md").read_text()
    assert "We trained" not in run.files.methods("md").read_text()
    costs = read_state(run.files.training("again_vc"), "")["costs"]
    assert costs == {
        "parameters": sum(p.numel() for p in load_pretrained("again_vc").parameters()),
        "training_steps": 20,
    }
    kept = [
        *run.folder.glob("converted/*/*.flac"),
        *run.folder.glob("systems/*/*"),
        *run.folder.glob("scores/*.parquet"),
    ]
    before = {path: path.stat().st_mtime_ns for path in kept}
    stages(run)
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    with pytest.raises(RunError, match="its weights came with vcbench"):
        export(run, [], tmp_path / "again")


def opened(runs: Path, *assignments: str) -> Run:
    return open_run("tiny", None, [*CHEAP, *assignments], "again_vc", None, None, None, runs, trained=True)


def test_a_run_refuses_weights_that_are_not_its_own(
    shipped: Path, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match="other settings than those that its pretrained weights"):
        opened(tmp_path, "systems.again_vc.training.steps=5")
    with pytest.raises(CheckpointError, match="hop is 256 there and 200 here"):
        opened(tmp_path, "features.mel.hop=200", "vocoder.kind=griffin-lim")
    with pytest.raises(PretrainedError, match=r"without a trained 'flowvc'.*adain_vc, again_vc"):
        open_run("tiny", None, CHEAP, "flowvc", None, None, None, tmp_path, trained=True)
    with pytest.raises(UserError, match="leave it out, or --seeds"):
        raise invoke("run", "--pretrained", "--seeds", "2", "--runs", tmp_path).exception
    assert opened(tmp_path).folder == tmp_path / "tiny-pretrained"
    monkeypatch.setattr("vcbench.speech.corpora.mini.VERSION", "3")
    with pytest.raises(RunError, match=r"trained on version 2 of mini; the run has version 3"):
        opened(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(pretrained, "FOLDER", shipped)
    replaced = pretrained.shipped("again_vc")
    origin = replaced.origin.model_copy(update={"steps": 21})
    pretrained.save_rounded(trained.load_system("again_vc"), shipped / "again_vc.safetensors", origin)
    newer = {"sha256": hash_file(shipped / "again_vc.safetensors"), "origin": origin}
    Index.read(shipped).including({"again_vc": replaced.model_copy(update=newer)}).write(shipped)
    with pytest.raises(RunError, match=r"made with other settings: systems\.again_vc\."):
        opened(tmp_path)
    with pytest.raises(RunError, match=f"has the pretrained weights {replaced.sha256[:12]}; this vcbench comes with"):
        weights(Run.open(tmp_path / "tiny-pretrained"), "again_vc")


def test_only_what_a_run_trained_is_exported(trained: Run, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no system 'again-vc'\. Did you mean 'again_vc'"):
        export(trained, ["again-vc"], tmp_path)
    done = invoke("pretrained", "export", trained.folder, "--system", "again_vc", "--out", tmp_path / "one")
    assert done.exit_code == 0, done.output
    assert "the best one-shot system is again_vc" in " ".join(done.output.split())
    assert (tmp_path / "one" / "again_vc.safetensors").read_bytes() == (exported / "again_vc.safetensors").read_bytes()
