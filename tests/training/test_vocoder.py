"""Training a vocoder: every weight learns, the loss falls, an interrupted training ends the same, and the file works."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from vcbench.base.errors import UserError
from vcbench.base.jobs import LocalEngine
from vcbench.base.settings import validate
from vcbench.speech.features.mel import mel_spectrogram
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Corpus
from vcbench.speech.vocoders import load_vocoder
from vcbench.speech.vocoders.vocoder import VocoderSettings
from vcbench.stages.train_vocoder import VocoderRecipe, train_vocoder
from vcbench.training.vocoder import VocoderTraining, VoiceSampler

CPU = torch.device("cpu")
SMALL = {"network": {"width": 32, "inner": 48, "blocks": 2, "kernel": 5}}


def recipe(steps: int, **mel: int) -> VocoderRecipe:
    training = {
        "steps": steps, "batch_size": 4, "frames": 48, "learning_rate": 2e-3, "evaluate_every": 5, "checkpoint_every": 5,
        "precision": "float32",
    }  # fmt: skip
    return validate(VocoderRecipe, {"mel": mel, "vocoder": SMALL | {"training": training}}, "")


@pytest.fixture(scope="module")
def folder(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers with three recordings each, in the layout of the corpus `folder`."""
    root = tmp_path_factory.mktemp("speech")
    for speaker in small_corpus.speakers[:2]:
        (root / speaker.id).mkdir()
        for utterance in speaker.utterances[:3]:
            shutil.copy(utterance.path, root / speaker.id)
    return root


def test_every_parameter_gets_a_gradient_and_the_loss_falls(small_corpus: Corpus, store: FeatureStore) -> None:
    config = recipe(60).vocoder
    crops = VoiceSampler([speaker.utterances[0] for speaker in small_corpus.speakers[:4]], store, 48, CPU)
    model = VocoderTraining(config, MelSettings(), 0).train()
    generator = torch.Generator().manual_seed(0)
    model.initialise(*crops.statistics(), crops.draw(4, 48, 0, generator))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    totals = []
    for _ in range(60):
        loss = model.loss(crops.draw(4, 48, 0, generator))
        optimizer.zero_grad()
        loss["total"].backward()
        optimizer.step()
        totals.append(float(loss["total"].detach()))
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())
    assert sum(totals[-10:]) < 0.7 * sum(totals[:10])


def test_crops_are_where_they_say(small_corpus: Corpus, store: FeatureStore) -> None:
    crops = VoiceSampler([speaker.utterances[0] for speaker in small_corpus.speakers[:3]], store, 48, CPU)
    batch = crops.draw(6, 48, 0, torch.Generator().manual_seed(1))
    heard = mel_spectrogram(batch.wave, MelSettings())
    assert (heard - batch.mel.clamp_min(-5)).abs()[:, :, 3:-3].mean() < 1e-3
    assert batch.envelope.shape == batch.aperiodicity.shape == (6, 513, 48)
    assert batch.log_f0.shape == batch.voiced.shape == (6, 48)


def test_trained_interrupted_and_used(folder: Path, tmp_path: Path) -> None:
    reports: list[tuple[str, int]] = []

    def progress(name: str, done: int, total: int, note: str = "") -> None:
        reports.append((name, done))
        if stop and name == "vocoder" and done >= 7:
            raise KeyboardInterrupt

    named = [("folder", folder)]
    stop = False
    whole = train_vocoder(named, recipe(10), tmp_path / "whole", None, CPU, LocalEngine(), progress)
    stop = True
    recipe_5 = recipe(10)
    with pytest.raises(KeyboardInterrupt):
        train_vocoder(named, recipe_5, tmp_path / "cut", None, CPU, LocalEngine(), progress)
    stop = False
    again = train_vocoder(named, recipe_5, tmp_path / "cut", None, CPU, LocalEngine(), progress)
    vocoders = [
        load_vocoder(VocoderSettings(kind="source-filter", path=path), MelSettings(), CPU) for path in (whole, again)
    ]
    mel = torch.rand(80, 30, generator=torch.Generator().manual_seed(0)) * 2 - 3
    waves = [vocoder([mel])[0] for vocoder in vocoders]
    assert torch.equal(*waves)
    assert torch.isfinite(waves[0]).all()
    assert reports[-1] == ("vocoder", 10)


def test_other_mels_and_a_start(folder: Path, tmp_path: Path) -> None:
    def progress(name: str, done: int, total: int, note: str = "") -> None:
        pass

    named = [("folder", folder)]
    mel = {"hop": 200, "n_mels": 40}
    first = train_vocoder(named, recipe(5, **mel), tmp_path / "one", None, CPU, LocalEngine(), progress)
    settings = VocoderSettings(kind="source-filter", path=first)
    (wave,) = load_vocoder(settings, MelSettings(hop=200, n_mels=40), CPU)([torch.zeros(40, 20) - 2])
    assert wave.shape == (4000,)
    second = train_vocoder(named, recipe(5, **mel), tmp_path / "two", first, CPU, LocalEngine(), progress)
    assert second.is_file()
    larger = validate(VocoderRecipe, recipe(5, **mel).model_dump() | {"vocoder": {"network": {"width": 64}}}, "")
    with pytest.raises(UserError, match="other sizes"):
        train_vocoder(named, larger, tmp_path / "three", first, CPU, LocalEngine(), progress)
