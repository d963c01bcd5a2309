"""Similarity by WavLM: embeddings are the published code's; the checkpoint is checked; SIM-o asks for the given recording."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vcbench.evaluations.networks.wavlm_sv import WavLm, load_wavlm_sv
from vcbench.evaluations.speaker_similarity import WavLmSimilarity
from vcbench.evaluations.verification import cosine

from tests.support.mini import sentence
from tests.support.recordings import FakeRun, conversion
from tests.support.small_wavlm import save_small_wavlm
from vcbench.base.errors import ModelUnavailable
from vcbench.base.machine import cache_root
from vcbench.speech.batches import TOGETHER
from vcbench.speech.pretrained.table import WeightsError
from vcbench.speech.utterance import Corpus
from vcbench.stages.score_cache import evaluate

# seed-tts-eval's network (ecapa_tdnn.py, as in f5-tts 1.1.22) on s3prl 0.4.18's WavLM, with this small checkpoint, on
# sentence p01 of the embedded corpus at 16 kHz: the first channels of the embedding, and cosines to the next voice.
PUBLISHED = {
    "am-echo": (-1.4883, -3.9337, 5.003, -4.5526),
    "af-heart": (-2.3139, -3.4839, 4.9304, -2.6797),
    "bf-emma": (-0.9744, -4.5054, 4.6237, -4.0525),
}
COSINES = (0.98900306224823, 0.992192804813385, 0.9934532642364502)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wavlm")
    save_small_wavlm(path / "wavlm_large_finetune.pth")
    return path


def test_embeddings_are_those_of_the_published_code(folder: Path) -> None:
    model, encoder = load_wavlm_sv(folder / "wavlm_large_finetune.pth"), WavLm("cpu", folder)
    embeddings = []
    for voice, expected in PUBLISHED.items():
        wave = sentence(voice)
        with torch.inference_mode():
            (found,) = model(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
        assert found[:4].numpy() == pytest.approx(expected, abs=2e-4)
        embeddings.append(encoder([wave])[0])
        assert np.linalg.norm(embeddings[-1]) == pytest.approx(1.0, abs=1e-5)
    for index, expected in enumerate(COSINES):
        assert cosine(embeddings[index], embeddings[(index + 1) % 3]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("together", [64 * 16_000, 3 * 16_000])
def test_many_waves_have_the_embeddings_of_each(folder: Path, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOGETHER, "cpu", together)
    encoder = WavLm("cpu", folder)
    waves = [sentence(voice)[:length] for voice, length in zip(PUBLISHED, (None, 9_001, 20_000), strict=True)]
    for found, wave in zip(encoder(waves), waves, strict=True):
        assert found == pytest.approx(encoder([wave])[0], abs=1e-5)


def test_sim_o_is_the_cosine_to_the_recording_that_the_system_was_given(
    folder: Path, small_corpus: Corpus, tmp_path: Path
) -> None:
    source, target = small_corpus.speakers[0].utterances[0], small_corpus.speakers[3]
    made = {"source": source, "given": target.utterances[0], "enrolled": target.utterances[1]}
    conversions = [
        conversion(tmp_path, spoken.wave.numpy(), source, target, system=system, spoken=spoken)
        for system, spoken in made.items()
    ]
    run = FakeRun(tmp_path / "s", conversions, SimpleNamespace(held_out=[], unseen=[]), source.features)
    metric = WavLmSimilarity(folder)
    metric.check()
    found = {(score.system, score.column): score.value for score in evaluate(metric, run)}
    assert found["given", "sim_o_wavlm"] == pytest.approx(1.0, abs=1e-3)
    assert found["enrolled", "similarity_single_wavlm"] == pytest.approx(1.0, abs=1e-3)
    assert found["enrolled", "sim_o_wavlm"] < 0.9999
    assert found["source", "leakage_wavlm"] == pytest.approx(1.0, abs=1e-3)
    assert "SHA-256" in metric.settings()["model"]


def test_without_the_checkpoint_one_command_gets_it() -> None:
    with pytest.raises(ModelUnavailable, match=r"curl .*'https://drive\.usercontent") as caught:
        WavLmSimilarity().check()
    assert str(cache_root() / "weights" / "wavlm_sv" / "wavlm_large_finetune.pth") in str(caught.value)


def test_a_damaged_checkpoint_is_refused_and_no_code_in_it_is_run(folder: Path, tmp_path: Path) -> None:
    content = torch.load(folder / "wavlm_large_finetune.pth", weights_only=True)
    del content["model"]["layer3.SE_Connect.linear1.bias"]
    torch.save(content, tmp_path / "wavlm_large_finetune.pth")
    with pytest.raises(WeightsError, match="does not hold WavLM-large"):
        WavLmSimilarity(tmp_path).load(torch.device("cpu"))
    torch.save({"model": SimpleNamespace()}, tmp_path / "wavlm_large_finetune.pth")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        WavLmSimilarity(tmp_path).load(torch.device("cpu"))
    (tmp_path / "wavlm_large_finetune.pth").write_bytes(b"")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        WavLmSimilarity(tmp_path).load(torch.device("cpu"))
