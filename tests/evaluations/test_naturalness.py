"""Predicted naturalness: the same values as the packages', at lower cost, together as one by one."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from vcbench.evaluations.naturalness import DistilledNaturalness, DnsMos, UtmosNaturalness, _segments
from vcbench.evaluations.networks.distillmos import HOP, REACH, WINDOW, DistillMos, load_distillmos

from tests.support.recordings import conversion
from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.base.errors import ModelUnavailable
from vcbench.speech import audio
from vcbench.speech.batches import TOGETHER, padded
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.table import WeightsError
from vcbench.speech.utterance import Corpus

here = pytest.mark.skipif(weights.look("distillmos") is None, reason="distillmos is not installed")


# Around the lengths where the computation changes: a frame, an odd number of frames, the longest that is padded.
LENGTHS = (800, 16_000, 48_000 + HOP, WINDOW - 4 * REACH * HOP, WINDOW - 4 * REACH * HOP + 1, WINDOW + 8000)


@pytest.fixture(scope="module")
def speech(small_corpus: Corpus) -> np.ndarray:
    waves = [utterance.wave.numpy() for utterance in small_corpus.speakers[0].utterances[:4]]
    return audio.resample(np.concatenate(waves), 22050, 16_000)


@here
@torch.inference_mode()
def test_the_values_are_those_of_the_model_itself(speech: np.ndarray) -> None:
    model = load_distillmos()
    quick = DistillMos(model)
    for length in LENGTHS:
        wave = torch.from_numpy(speech[:length].copy())
        assert quick(*padded([wave.numpy()], "cpu")).item() == pytest.approx(float(model(wave[None])), abs=1e-5)


@pytest.fixture(scope="module")
def recordings(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> list[Conversion]:
    """Real speech, and the same with noise."""
    source, target = small_corpus.speakers[0].utterances[0], small_corpus.speakers[1]
    clean = source.wave.numpy()
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(clean))
    folder = tmp_path_factory.mktemp("recordings")
    return [
        conversion(folder, wave, source, target, trial=f"t{n}")
        for n, wave in enumerate((clean, clean[:30_000] + noise[:30_000]))
    ]


def require_same_alone(metric: AudioMetric, recordings: list[Conversion]) -> None:
    """That recordings, which have different lengths, have the same values together and one by one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TOGETHER, "cpu", 64 * 16_000)
        several = metric.measure(recordings)
    for one, together in zip(recordings, several, strict=True):
        (alone,) = metric.measure([one])
        for (column, expected, *_), (own, value, *_) in zip(alone, together, strict=True):
            assert (own, value) == (column, pytest.approx(expected, abs=1e-4))


@here
def test_noise_is_predicted_to_be_less_natural_and_neighbours_change_nothing(recordings: list[Conversion]) -> None:
    metric = DistilledNaturalness()
    metric.check()
    metric.load(torch.device("cpu"))
    (clean,), (noisy,) = metric.measure(recordings)
    assert clean[0] in metric.columns
    assert 1 <= noisy[1] < clean[1] <= 5
    require_same_alone(metric, recordings)
    metric.unload()
    assert "Predicted" in metric.columns["distillmos"].title


@pytest.mark.skipif(weights.look("dnsmos") is None, reason="speechmos is not installed")
def test_dnsmos_is_what_speechmos_gives(recordings: list[Conversion]) -> None:
    from speechmos import dnsmos

    metric = DnsMos()
    metric.check()
    metric.load(torch.device("cpu"))
    require_same_alone(metric, recordings)
    clean, noisy = metric.measure(recordings)
    expected = dnsmos.run(audio.read(recordings[0].path, 16_000), sr=16_000)
    found = {column: value for column, value, _, _ in clean}
    assert found.keys() == metric.columns.keys()
    assert found["dnsmos_overall"] == pytest.approx(expected["ovrl_mos"], abs=1e-4)
    assert found["dnsmos_background"] > {column: value for column, value, _, _ in noisy}["dnsmos_background"]


@pytest.mark.parametrize(
    ("seconds", "starts"),
    [(2.32, [0]), (3.2, [0, 1, 2]), (8.8, [0, 1, 2, 3, 4, 5, 6]), (9.0, [0, 1, 2, 3, 4, 5, 6])],
)
def test_dnsmos_reads_the_segments_that_speechmos_reads(seconds: float, starts: list[int]) -> None:
    """From the eighth to the tenth they are left out there: (7 + 9.01) * 16000 is rounded down."""
    wave = np.arange(round(seconds * 16_000), dtype=np.float32)
    found = _segments(wave)
    assert found.shape[1] == 144_160
    assert found[:, 0].tolist() == [start * 16_000 % len(wave) for start in starts]


def test_utmos_is_what_the_published_code_gives(
    recordings: list[Conversion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small model with random weights, saved by the published code in its own layout."""
    utmos_torch = pytest.importorskip("utmos_pytorch.utmos_torch")
    small = partial(
        utmos_torch.Wav2Vec2Config,
        conv_feature_layers="[(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16, 2, 2)] * 2",
        encoder_layers=2,
        encoder_ffn_embed_dim=48,
    )
    monkeypatch.setattr(utmos_torch, "Wav2Vec2Config", small)
    torch.manual_seed(0)
    torch.save(utmos_torch.UTMOSModel().state_dict(), tmp_path / "utmos_state_dict.pt")
    original = utmos_torch.UTMOSScoreTorch(str(tmp_path / "utmos_state_dict.pt"))
    metric = UtmosNaturalness(tmp_path)
    metric.check()
    metric.load(torch.device("cpu"))
    values = []
    require_same_alone(metric, recordings)
    for one, [(column, value, _, _)] in zip(recordings, metric.measure(recordings), strict=True):
        expected = original.score(torch.from_numpy(audio.read(one.path, 16_000)))
        assert value == pytest.approx(float(expected), abs=1e-5)
        assert "Predicted" in metric.columns[column].title
        values.append(value)
    assert abs(values[0] - values[1]) > 1e-3
    assert "SHA-256" in metric.settings()["model"]


def test_utmos_without_a_weight_is_an_error_and_without_a_file_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="hf download Blinorot/UTMOS-PyTorch"):
        UtmosNaturalness().check()
    torch.save({"output_layers.1.net.0.bias": torch.zeros(1)}, tmp_path / "utmos_state_dict.pt")
    with pytest.raises(WeightsError, match="does not hold UTMOS's strong learner"):
        UtmosNaturalness(tmp_path).load(torch.device("cpu"))
