"""The source-filter vocoder: its synthesis is what signal theory says, its file is checked, and it beats Griffin-Lim."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from vcbench.evaluations.networks.distillmos import DistillMos, load_distillmos

from vcbench.speech import audio
from vcbench.speech.features.mel import mel_spectrogram
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.features.voice import analyse
from vcbench.speech.utterance import Corpus
from vcbench.speech.vocoders import load_vocoder
from vcbench.speech.vocoders.source_filter import synthesis
from vcbench.speech.vocoders.source_filter.contour import contour
from vcbench.speech.vocoders.source_filter.network import NetworkSettings, SourceFilterNetwork
from vcbench.speech.vocoders.source_filter.vocoder import SHIPPED, read_weights, write_weights
from vcbench.speech.vocoders.vocoder import VocoderError, VocoderSettings

MEL = MelSettings()
RATE = MEL.sampling_rate
BINS = MEL.fft_size // 2 + 1


def steady(f0: float, frames: int) -> tuple[Tensor, Tensor]:
    return torch.full((1, frames), f0), torch.ones(1, frames, dtype=torch.bool)


def test_a_pulse_per_period_also_between_samples() -> None:
    pulses = synthesis.find_pulses(*steady(97.3, 40), MEL)
    assert torch.allclose(pulses.place.diff(), torch.tensor(RATE / 97.3, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(pulses.period, torch.tensor(RATE / 97.3))
    assert abs(len(pulses.place) - 40 * 256 * 97.3 / RATE) <= 1


def test_pulses_follow_a_glide_and_pause_where_nothing_is_voiced() -> None:
    f0 = torch.linspace(100, 200, 60)[None]
    voiced = torch.ones(1, 60, dtype=torch.bool)
    voiced[0, 20:30] = False
    pulses = synthesis.find_pulses(f0, voiced, MEL)
    assert not ((pulses.place > 20 * 256) & (pulses.place < 30 * 256)).any()
    spoken = pulses.place.diff()[pulses.place.diff() < 2 * RATE / 100]
    assert spoken[0] > 1.7 * spoken[-1]


def test_unit_envelopes_give_unit_power() -> None:
    flat = torch.zeros(1, BINS, 200)
    noise = synthesis.filter_noise(synthesis.white_noise(199 * 256 + 1024)[None], flat, MEL)
    assert float(noise.square().mean()) == pytest.approx(1.0, abs=0.03)
    voice = synthesis.filter_pulses(synthesis.find_pulses(*steady(150.0, 200), MEL), flat, MEL)
    assert float(voice.square().mean()) == pytest.approx(1.0, abs=0.03)


def test_minimum_phase_of_a_known_filter() -> None:
    """1 / (1 - 0.9 / z) is of minimum phase: from its magnitude alone, its impulse response 0.9^n comes back."""
    angle = torch.arange(BINS) * 2 * math.pi / MEL.fft_size
    log_magnitude = -(1 - 0.9 * torch.exp(-1j * angle)).abs().log()
    response = torch.fft.irfft(torch.polar(log_magnitude.exp(), synthesis.minimum_phase(log_magnitude)), MEL.fft_size)
    assert torch.allclose(response[:50], 0.9 ** torch.arange(50), atol=1e-4)


def test_overlap_add_inverts_the_transform() -> None:
    wave = torch.randn(2, 40 * 256, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(wave[:, None], (384, 384), mode="reflect")[:, 0]
    window = torch.hann_window(1024)
    bins = torch.stft(padded, 1024, 256, window=window, center=False, return_complex=True)
    again = synthesis.overlap_add(bins, MEL)
    assert torch.allclose(again, wave, atol=1e-4)


def test_projection_keeps_a_wave_of_that_mel_and_pulls_others_towards_it(small_corpus: Corpus) -> None:
    wave = small_corpus.speakers[0].utterances[0].wave
    wave = wave[None, : len(wave) // 256 * 256]
    mel = mel_spectrogram(wave, MEL)
    assert torch.allclose(synthesis.project(wave, mel, MEL), wave, atol=1e-3)
    noise = 0.01 * torch.randn(wave.shape, generator=torch.Generator().manual_seed(0))
    errors = [
        float((mel_spectrogram(synthesis.project(noise, mel, MEL, share), MEL) - mel).abs().mean())
        for share in (0.0, 0.5, 1.0)
    ]
    assert errors[0] > 1.7 * errors[1] > 1.7 * errors[2]


def test_a_contour_does_not_follow_a_single_octave_error() -> None:
    frequencies = 60.0 * torch.exp(torch.arange(160) * math.log(10) / 159)
    logits = torch.full((160, 30), -10.0)
    logits[60] = 0.0
    logits[60, 12], logits[108, 12] = -2.0, 0.0
    found = contour(logits, frequencies)
    assert (found / frequencies[60] - 1).abs().max() < 0.01


def test_world_describes_a_tone_of_known_pitch() -> None:
    time = torch.arange(RATE) / RATE
    wave = sum(torch.sin(2 * math.pi * 140 * k * time) / k for k in range(1, 30))
    voice = analyse(0.1 * wave, MEL, 60, 600)
    assert voice is not None
    inner = slice(10, -10)
    assert voice.voiced[inner].all()
    assert (voice.log_f0[inner].exp() / 140 - 1).abs().max() < 0.01
    assert voice.envelope.shape == voice.aperiodicity.shape == (BINS, RATE // 256)
    assert analyse(torch.zeros(RATE), MEL, 60, 600) is None


def test_what_is_shipped_fits_and_says_what_it_is() -> None:
    network, record = read_weights(SHIPPED, MEL)
    assert SHIPPED.stat().st_size < 8e6
    assert network.settings == NetworkSettings()
    assert {corpus["name"] for corpus in record["corpora"]} == {"mini (version 2)", "librispeech-mini"}
    assert record["steps"] > 0


def test_it_sounds_more_natural_than_griffin_lim(small_corpus: Corpus) -> None:
    """Over recordings of speakers that it was not trained on, DistillMOS is nearer to the recordings' than Griffin-Lim's."""
    unseen = [speaker for speaker in small_corpus.speakers if speaker.seen is False]
    waves = [speaker.utterances[0].wave for speaker in unseen]
    mels = [mel_spectrogram(wave, MEL) for wave in waves]
    network = DistillMos(load_distillmos()).eval()

    @torch.inference_mode()
    def natural(given: list[Tensor]) -> float:
        heard = [torch.from_numpy(audio.resample(wave.numpy(), RATE, 16_000)) for wave in given]
        return sum(float(network(wave[None], torch.tensor([len(wave)]))) for wave in heard) / len(heard)

    ours = natural(load_vocoder(VocoderSettings(kind="source-filter"), MEL, "cpu")(mels))
    assert ours > natural(load_vocoder(VocoderSettings(), MEL, "cpu")(mels)) + 0.5
    assert ours > natural(waves) - 0.5


def small() -> SourceFilterNetwork:
    torch.manual_seed(0)
    return SourceFilterNetwork(NetworkSettings(width=16, inner=16, blocks=1), MEL)


def test_weights_come_back_in_half_precision(tmp_path: Path) -> None:
    network = small()
    write_weights(tmp_path / "v.safetensors", network, {"steps": 3})
    again, record = read_weights(tmp_path / "v.safetensors", MEL)
    assert record == {"steps": 3}
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.half().float())


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    with pytest.raises(VocoderError, match=r"There is no .*vocoder train"):
        read_weights(path, MEL)
    write_weights(path, small(), {})
    with pytest.raises(VocoderError, match="hop is 256 there and 200 here"):
        read_weights(path, MelSettings(hop=200))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(VocoderError, match="damaged"):
        read_weights(path, MEL)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(VocoderError, match="does not hold the weights of a source-filter vocoder"):
        read_weights(path, MEL)


def test_features_of_a_voice_are_cached(store: FeatureStore, small_corpus: Corpus) -> None:
    utterance = small_corpus.speakers[0].utterances[0]
    voice = store.voice(utterance)
    assert voice is not None
    assert voice.envelope.shape == (BINS, utterance.mel.shape[-1])
    again = FeatureStore(store._cache.folder).voice(utterance)
    assert again is not None
    assert torch.equal(again.envelope, voice.envelope)
