"""One command imports published checkpoints, which then convert recordings without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner
from vcbench.systems.again_vc.reference_model import ReferenceAgainVC
from vcbench.systems.again_vc.system import AgainConfig, AgainVC

from vcbench.api.checkpoint import CheckpointError
from vcbench.base.errors import UserError
from vcbench.cli.app import app
from vcbench.speech.utterance import Corpus


def invoke(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A small checkpoint, as the published trainer saves it."""
    torch.manual_seed(0)
    model = ReferenceAgainVC(AgainConfig(hidden=16, gru_hidden=8, blocks=2), 80)
    torch.save({"model": model.state_dict(), "optimizer": {}, "steps": 1}, tmp_path / "official.pt")
    return tmp_path / "official.pt"


def test_what_the_file_does_not_say_are_options(official: Path, tmp_path: Path) -> None:
    done = invoke("import", "again-vc", official, "-o", tmp_path / "plain")
    assert done.exit_code == 0, done.output
    options = ["--activation", "sigmoid", "--alpha", "0.5", "--gru-over-time"]
    assert invoke("import", "again_vc", official, "-o", tmp_path / "other", *options).exit_code == 0
    plain, other = (AgainVC.load(tmp_path / name / "checkpoint.safetensors") for name in ("plain", "other"))
    assert (plain.config.hidden, plain.config.alpha, plain.config.gru_over_batch) == (16, 0.1, True)
    assert (other.config.alpha, other.config.gru_over_batch) == (0.5, False)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in plain.state_dict().items())


def test_the_result_converts_a_recording(official: Path, small_corpus: Corpus, tmp_path: Path) -> None:
    invoke("import", "again-vc", official, "-o", tmp_path)
    for name, speaker in zip(("source.wav", "target.wav"), small_corpus.speakers, strict=False):
        utterance = speaker.utterances[0]
        soundfile.write(tmp_path / name, utterance.wave.numpy(), utterance.sampling_rate)
    checkpoint, out = tmp_path / "checkpoint.safetensors", tmp_path / "out.wav"
    target = ["--target", tmp_path / "target.wav"]
    done = invoke("convert", tmp_path / "source.wav", "--checkpoint", checkpoint, *target, "-o", out)
    assert done.exit_code == 0, done.output
    made, source = soundfile.info(out), soundfile.info(tmp_path / "source.wav")
    assert made.samplerate == 22050
    assert made.duration == pytest.approx(source.duration, abs=0.05)


def test_the_published_codes_tensors_import(shared: Path, tmp_path: Path) -> None:
    golden = load_file(shared / "fixtures/again_vc_official_small.safetensors")
    state = {name.removeprefix("state."): value for name, value in golden.items() if name.startswith("state.")}
    torch.save(state, tmp_path / "official.pt")
    assert invoke("import", "again-vc", tmp_path / "official.pt", "-o", tmp_path).exit_code == 0
    system = AgainVC.load(tmp_path / "checkpoint.safetensors")
    source, target = (system.batch([golden[name][0]])[0] for name in ("source", "target"))
    with torch.no_grad():
        mel = system.model.convert(source, None, target, None).permute(1, 2, 0)
    expected = golden["mel_gru_over_batch"]
    assert (mel[..., : expected.shape[-1]] - expected).abs().max() < 1e-5


def test_what_cannot_be_imported_or_opened_is_told(official: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no importer 'flowvc'.*Available: again-vc"):
        raise invoke("import", "flowvc", official, "-o", tmp_path).exception
    with pytest.raises(CheckpointError, match="no file"):
        raise invoke("import", "again-vc", tmp_path / "absent.pt", "-o", tmp_path).exception
    where = ["--target", official, "-o", tmp_path / "out.wav"]
    with pytest.raises(UserError, match="--checkpoint alone"):
        raise invoke("convert", official, *where, "--checkpoint", official, "--run", tmp_path).exception
    with pytest.raises(CheckpointError, match="not a usable vcbench checkpoint"):
        raise invoke("convert", official, *where, "--checkpoint", official).exception
