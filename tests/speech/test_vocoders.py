"""Vocoders: right length and timing, deterministic, independent of batch neighbours; published formats are really loaded."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from vcbench.speech.features.mel import mel_spectrogram
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.pretrained.table import WeightsError
from vcbench.speech.utterance import Corpus
from vcbench.speech.vocoders import load_vocoder
from vcbench.speech.vocoders.melgan import MelGanGenerator
from vcbench.speech.vocoders.vocoder import VocoderError, VocoderSettings

MEL = MelSettings()


RATE = MEL.sampling_rate


@pytest.fixture(scope="module")
def waves(small_corpus: Corpus) -> list[Tensor]:
    return [speaker.utterances[index].wave for index, speaker in enumerate(small_corpus.speakers[:3])]


@pytest.fixture(scope="module")
def mels(waves: list[Tensor]) -> list[Tensor]:
    return [mel_spectrogram(wave, MEL) for wave in waves]


def old_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weight normalisation as checkpoints of 2019 to 2022 name it."""
    return {
        name.replace("parametrizations.weight.original0", "weight_g").replace(
            "parametrizations.weight.original1", "weight_v"
        ): tensor
        for name, tensor in state.items()
    }


@pytest.fixture(scope="module")
def melgan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("melgan") / "multi_speaker.pt"
    torch.save(old_names(MelGanGenerator(80, channels=2, blocks=2).state_dict()), path)
    return path


HYPERPARAMS = """
generator: !new:speechbrain.lobes.models.HifiGAN.HifiganGenerator
  in_channels: 80
  out_channels: 1
  resblock_type: "1"
  resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5], [1, 3, 5]]
  resblock_kernel_sizes: [3, 7, 11]
  upsample_kernel_sizes: [16, 16, 4, 4]
  upsample_initial_channel: 16
  upsample_factors: [8, 8, 2, 2]
  inference_padding: 5
  cond_channels: 0
  conv_post_bias: True
modules:
  generator: !ref <generator>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
  loadables:
    generator: !ref <generator>
"""


@pytest.fixture(scope="module")
def hifigan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random model in the file layout of speechbrain/tts-hifigan-libritts-22050Hz."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    torch.manual_seed(0)
    generator = HifiganGenerator(80, 1, "1", [[1, 3, 5]] * 3, [3, 7, 11], [16, 16, 4, 4], 16, [8, 8, 2, 2])
    folder = tmp_path_factory.mktemp("hifigan")
    torch.save(old_names(generator.state_dict()), folder / "generator.ckpt")
    (folder / "hyperparams.yaml").write_text(HYPERPARAMS)
    return folder


@pytest.fixture(params=["griffin-lim", "source-filter", "hifigan", "melgan"])
def settings(request: pytest.FixtureRequest, hifigan_folder: Path, melgan_file: Path) -> VocoderSettings:
    path = {"hifigan": hifigan_folder, "melgan": melgan_file}.get(request.param)
    return VocoderSettings(kind=request.param, path=path, iterations=8)


def test_samples_are_frames_times_the_hop_and_neighbours_change_nothing(
    settings: VocoderSettings, mels: list[Tensor]
) -> None:
    vocoder = load_vocoder(settings, MEL, "cpu")
    together = vocoder(mels)
    assert [wave.shape for wave in together] == [(mel.shape[-1] * 256,) for mel in mels]
    torch.manual_seed(1)
    for mel, wave in zip(mels, together, strict=True):
        assert torch.isfinite(wave).all()
        assert (vocoder([mel])[0] - wave).abs().max() < 1e-4


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_few_frames_and_silence(settings: VocoderSettings, mels: list[Tensor], frames: int) -> None:
    vocoder = load_vocoder(settings, MEL, "cpu")
    for mel in (mels[0][:, 50 : 50 + frames], torch.full((80, frames), -5.0)):
        (wave,) = vocoder([mel])
        assert wave.shape == (frames * 256,)
        assert torch.isfinite(wave).all()


def test_griffin_lim_gives_speech_its_mel_back(mels: list[Tensor]) -> None:
    for mel, wave in zip(mels, load_vocoder(VocoderSettings(), MEL, "cpu")(mels), strict=True):
        again = mel_spectrogram(wave, MEL)
        assert (again - mel).abs().mean() < 0.07
        # Not a frame early or late.
        assert (again[:, 1:] - mel[:, :-1]).abs().mean() > 2 * (again - mel).abs().mean()
        assert (again[:, :-1] - mel[:, 1:]).abs().mean() > 2 * (again - mel).abs().mean()


def test_griffin_lim_is_on_time_to_a_fraction_of_a_hop() -> None:
    time = torch.arange(RATE) / RATE
    wave = torch.exp(-(((time - 0.5) / 0.02) ** 2)) * torch.sin(2 * torch.pi * 1000 * time)
    (again,) = load_vocoder(VocoderSettings(), MEL, "cpu")([mel_spectrogram(wave, MEL)])

    def centre(signal: Tensor) -> float:
        energy = signal.double() ** 2
        return float((energy * torch.arange(len(energy))).sum() / energy.sum())

    assert abs(centre(again) - centre(wave)) < 0.1 * MEL.hop


def test_more_iterations_come_closer(mels: list[Tensor]) -> None:
    def distance(iterations: int) -> float:
        (wave,) = load_vocoder(VocoderSettings(iterations=iterations), MEL, "cpu")(mels[:1])
        return float((10 ** mel_spectrogram(wave, MEL) - 10 ** mels[0]).norm())

    assert distance(32) < distance(8) < distance(1)


def melgan_by_hand(mel: Tensor, state: dict[str, Tensor], blocks: int) -> Tensor:
    """The paper's generator, computed step by step from the parameter names of the authors' checkpoints."""

    def weight(name: str) -> Tensor:
        direction = state[f"{name}.weight_v"]
        return state[f"{name}.weight_g"] * direction / direction.flatten(1).norm(dim=1).view(-1, 1, 1)

    def convolve(inputs: Tensor, name: str, reflected: int = 0, dilation: int = 1) -> Tensor:
        padded = functional.pad(inputs, (reflected, reflected), mode="reflect") if reflected else inputs
        return functional.conv1d(padded, weight(name), state[f"{name}.bias"], dilation=dilation)

    hidden, layer = convolve(mel[None], "model.1", 3), 2
    for ratio in (8, 8, 2, 2):
        name = f"model.{layer + 1}"
        hidden = functional.leaky_relu(hidden, 0.2)
        hidden = functional.conv_transpose1d(
            hidden, weight(name), state[f"{name}.bias"], stride=ratio, padding=ratio // 2
        )
        layer += 2
        for block in range(blocks):
            inner = convolve(functional.leaky_relu(hidden, 0.2), f"model.{layer}.block.2", 3**block, 3**block)
            inner = convolve(functional.leaky_relu(inner, 0.2), f"model.{layer}.block.4")
            hidden = convolve(hidden, f"model.{layer}.shortcut") + inner
            layer += 1
    return torch.tanh(convolve(functional.leaky_relu(hidden, 0.2), f"model.{layer + 2}", 3))[0, 0]


def test_melgan_computes_what_its_checkpoint_says(melgan_file: Path, mels: list[Tensor]) -> None:
    state = torch.load(melgan_file, weights_only=True)
    assert "model.1.weight_g" in state
    (wave,) = load_vocoder(VocoderSettings(kind="melgan", path=melgan_file), MEL, "cpu")(mels[:1])
    torch.testing.assert_close(wave, melgan_by_hand(mels[0], state, blocks=2), atol=1e-5, rtol=1e-4)


def test_melgan_has_the_published_size() -> None:
    generator = MelGanGenerator(80)
    assert generator(torch.zeros(1, 80, 7)).shape == (1, 1, 7 * 256)
    gains = sum(parameter.numel() for name, parameter in generator.named_parameters() if name.endswith("original0"))
    count = sum(parameter.numel() for parameter in generator.parameters()) - gains
    assert round(count / 1e6, 2) == 4.26  # Kumar et al. 2019, table 1


def test_hifigan_computes_what_speechbrain_computes(hifigan_folder: Path, mels: list[Tensor], tmp_path: Path) -> None:
    from speechbrain.inference.vocoders import HIFIGAN

    reference = HIFIGAN.from_hparams(source=str(hifigan_folder), savedir=str(tmp_path / "savedir"))
    vocoder = load_vocoder(VocoderSettings(kind="hifigan", path=hifigan_folder), MEL, "cpu")
    expected = reference.decode_batch(vocoder.own_mel(mels[0])[None])[0, 0]
    (wave,) = vocoder(mels[:1])
    begin = 5 * 256 - 128
    torch.testing.assert_close(wave, expected[begin : begin + len(wave)], atol=1e-6, rtol=1e-4)


def test_hifigan_gets_the_mel_it_was_trained_on(hifigan_folder: Path, waves: list[Tensor], mels: list[Tensor]) -> None:
    from speechbrain.lobes.models.HifiGAN import mel_spectrogram as speechbrain_mel

    vocoder = load_vocoder(VocoderSettings(kind="hifigan", path=hifigan_folder), MEL, "cpu")
    for wave, mel in zip(waves, mels, strict=True):
        # Its frames are centred on multiples of the hop: on a wave that begins half a hop later, they match ours.
        inner = slice(4, mel.shape[-1] - 4)
        errors = []
        for delay in (0, 128, 256):
            own = speechbrain_mel(
                RATE, 256, 1024, 1024, 80, 0.0, 8000.0, 1, False, "slaney", "slaney", True, wave[delay:]
            )
            errors.append(float((vocoder.own_mel(mel)[:, inner] - own[:, inner]).abs().mean()))
        assert errors[1] < 0.25  # nepers; what the two sets of bands do not share is lost
        assert errors[1] < 0.75 * min(errors[0], errors[2])


def test_missing_weights_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vcbench.speech.pretrained.weights.look", lambda name: None)
    with pytest.raises(VocoderError, match=r"hf download speechbrain/tts-hifigan-libritts-22050Hz"):
        load_vocoder(VocoderSettings(kind="hifigan"), MEL, "cpu")
    with pytest.raises(VocoderError, match=r"curl .*melgan-neurips"):
        load_vocoder(VocoderSettings(kind="melgan"), MEL, "cpu")
    with pytest.raises(VocoderError, match=r"nowhere.pt does not exist"):
        load_vocoder(VocoderSettings(kind="melgan", path=tmp_path / "nowhere.pt"), MEL, "cpu")
    with pytest.raises(WeightsError, match=r"generator.ckpt"):
        load_vocoder(VocoderSettings(kind="hifigan", path=tmp_path), MEL, "cpu")


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_files_that_are_not_the_weights_are_refused(melgan_file: Path, hifigan_folder: Path, tmp_path: Path) -> None:
    whole = melgan_file.read_bytes()
    state = torch.load(melgan_file, weights_only=True)
    files = {name: tmp_path / name for name in ("truncated", "text", "code", "tensor", "lacking", "other")}
    files["truncated"].write_bytes(whole[: len(whole) // 2])
    files["text"].write_text("not weights")
    files["code"].write_bytes(pickle.dumps(Harmful(tmp_path / "harm"), protocol=2))
    torch.save(torch.zeros(3), files["tensor"])
    torch.save({name: tensor for name, tensor in state.items() if "model.3" not in name}, files["lacking"])
    files["other"].write_bytes((hifigan_folder / "generator.ckpt").read_bytes())
    for file in files.values():
        with pytest.raises(VocoderError, match=re.escape(str(file))):
            load_vocoder(VocoderSettings(kind="melgan", path=file), MEL, "cpu")
    assert not (tmp_path / "harm").exists()
    (tmp_path / "generator.ckpt").write_bytes(whole)
    with pytest.raises(VocoderError, match="does not hold this vocoder's weights"):
        load_vocoder(VocoderSettings(kind="hifigan", path=tmp_path), MEL, "cpu")


def test_other_mels_are_refused(melgan_file: Path, hifigan_folder: Path) -> None:
    with pytest.raises(VocoderError, match="n_mels=40"):
        load_vocoder(VocoderSettings(kind="melgan", path=melgan_file), MelSettings(n_mels=40), "cpu")
    with pytest.raises(VocoderError, match=r"features.mel has 24000 and 256"):
        load_vocoder(VocoderSettings(kind="hifigan", path=hifigan_folder), MelSettings(sampling_rate=24000), "cpu")
    # HiFi-GAN accepts mels that differ only in their bands.
    (wave,) = load_vocoder(VocoderSettings(kind="hifigan", path=hifigan_folder), MelSettings(n_mels=40), "cpu")(
        [torch.zeros(40, 4)]
    )
    assert wave.shape == (1024,)
