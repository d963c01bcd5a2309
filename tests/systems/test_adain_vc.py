"""AdaIN-VC: both recipes' sizes and training, and the original's layers against PyTorch's operators."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from vcbench.systems.adain_vc.chou_lee import (
    Bank,
    DecoderBlock,
    EncoderBlock,
    OriginalAutoencoder,
    OriginalConfig,
    SpeakerEncoder,
    halve,
)
from vcbench.systems.adain_vc.system import AdaINConfig, AdaINVC
from vcbench.systems.again_vc.system import AgainConfig, AgainVC

from vcbench.api.batch import Batch
from vcbench.speech.features.settings import MelSettings

SMALL = OriginalConfig(channels=6, bank=4, bank_channels=3, content_channels=4, speaker_channels=5, dense_blocks=2)


def size(system: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in system.parameters())


def channels_first(x: Tensor) -> Tensor:
    return x.permute(1, 2, 0)


def frames_first(x: Tensor) -> Tensor:
    return x.permute(2, 0, 1)


def convolve(layer: torch.nn.Conv1d, x: Tensor) -> Tensor:
    kernel = layer.kernel_size[0]
    padded = F.pad(x, (kernel // 2, (kernel - 1) // 2), mode="reflect")
    return F.conv1d(padded, layer.weight, layer.bias, stride=layer.stride)


def test_two_encoders_have_weights_of_their_own() -> None:
    one, two = AgainVC(AgainConfig(), MelSettings()), AdaINVC(AdaINConfig(), MelSettings())
    assert size(two) == size(one) + size(one.model.encoder)
    assert round(size(two) / 1e6, 2) == 10.32
    pairs = zip(two.model.encoder.parameters(), two.model.speaker_encoder.parameters(), strict=True)
    assert not any(a is b for a, b in pairs)


def parameters_of_original(n_mels: int, c: OriginalConfig) -> int:
    def convolution(inputs: int, outputs: int, kernel: int = 1) -> int:
        return inputs * outputs * kernel + outputs

    bank = sum(convolution(n_mels, c.bank_channels, k) for k in range(1, c.bank + 1))
    bank += convolution(c.bank * c.bank_channels + n_mels, c.channels)
    blocks = 12 * convolution(c.channels, c.channels, c.kernel)
    content = bank + blocks + 2 * convolution(c.channels, c.content_channels)
    speaker = bank + blocks + 2 * c.dense_blocks * convolution(c.channels, c.channels)
    speaker += convolution(c.channels, c.speaker_channels)
    upsampling = 3 * (convolution(c.channels, 2 * c.channels, c.kernel) - convolution(c.channels, c.channels, c.kernel))
    styles = 12 * convolution(c.speaker_channels, 2 * c.channels)
    ends = convolution(c.content_channels, c.channels) + convolution(c.channels, n_mels)
    return content + speaker + blocks + upsampling + styles + ends


@pytest.mark.parametrize("config", [OriginalConfig(), SMALL])
def test_size_of_the_original(config: OriginalConfig) -> None:
    system = AdaINVC(AdaINConfig(recipe="original", original=config), MelSettings())
    assert size(system) == parameters_of_original(80, config)
    if config == OriginalConfig():
        assert round(size(system) / 1e6, 1) == 4.9


def test_every_recipe_brings_its_training() -> None:
    two, original = AdaINConfig().training, AdaINConfig(recipe="original").training
    assert (two.clip, two.batch_size, two.amsgrad, two.weight_decay) == (3.0, 32, True, 1e-4)
    assert (original.clip, original.batch_size, original.amsgrad, original.learning_rate) == (5.0, 128, True, 5e-4)
    partly = AdaINConfig.model_validate_json('{"recipe": "original", "training": {"steps": 9, "betas": [0.8, 0.9]}}')
    assert partly.training == original.model_copy(update={"steps": 9, "betas": (0.8, 0.9)})


@pytest.mark.parametrize(
    "settings",
    [{"recipe": "origin"}, {"training": {"step": 3}}, {"training": 3}, {"original": {"channels": 0}}, {"hidden": 0}],
)
def test_bad_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        AdaINConfig(**settings)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("normalised", [True, False])
def test_encoder_block(stride: int, normalised: bool) -> None:
    block = EncoderBlock(SMALL, stride, normalised)
    x = torch.randn(13, 3, 6)

    def normalise(x: Tensor) -> Tensor:
        return F.instance_norm(x) if normalised else x

    y = F.relu(normalise(convolve(block.first, channels_first(x))))
    y = F.relu(normalise(convolve(block.second, y)))
    shorter = F.avg_pool1d(channels_first(x), stride, ceil_mode=True)
    assert torch.allclose(block(x, None)[0], frames_first(y + shorter), atol=1e-5)


@pytest.mark.parametrize("factor", [1, 2])
def test_decoder_block(factor: int) -> None:
    block = DecoderBlock(SMALL, factor)
    x, speaker = torch.randn(9, 2, 6), torch.randn(2, 5)

    def style(layer: torch.nn.Linear, x: Tensor) -> Tensor:
        mean, deviation = layer(speaker)[..., None].chunk(2, dim=1)
        return F.relu(F.instance_norm(x) * deviation + mean)

    y = style(block.first_style, convolve(block.first, channels_first(x)))
    y = convolve(block.second, y)
    y = torch.stack([y[:, phase::factor] for phase in range(factor)], dim=-1).flatten(-2)
    y = style(block.second_style, y)
    longer = F.interpolate(channels_first(x), scale_factor=factor)
    assert torch.allclose(block(x, speaker, None)[0], frames_first(y + longer), atol=1e-5)


def test_bank_and_speaker_encoder() -> None:
    bank, x = Bank(SMALL, 10), torch.randn(12, 2, 10)
    parts = [F.relu(convolve(layer, channels_first(x))) for layer in bank.layers]
    joined = convolve(bank.join, torch.cat([*parts, channels_first(x)], dim=1))
    assert torch.allclose(bank(x, None), frames_first(joined), atol=1e-5)
    # Without normalisation a louder recording gives another speaker embedding.
    encoder = SpeakerEncoder(SMALL, 10)
    assert encoder(x, None).shape == (2, 5)
    assert not torch.allclose(encoder(x, None), encoder(x + 1, None))


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_halving_pools_real_frames(lengths: list[int]) -> None:
    longest = max(lengths)
    x = torch.randn(longest, len(lengths), 3)
    mask = (torch.arange(longest)[:, None, None] < torch.tensor(lengths)[None, :, None]).float()
    halved = halve(x, mask)
    for row, length in enumerate(lengths):
        expected = F.avg_pool1d(x[:length, row].T, 2, ceil_mode=True).T
        assert torch.allclose(halved[: (length + 1) // 2, row], expected, atol=1e-6)


def test_the_divergence_is_annealed_and_the_count_is_saved(tmp_path: Path) -> None:
    config = AdaINConfig(recipe="original", original=SMALL.model_copy(update={"annealing_steps": 4}))
    system = AdaINVC(config, MelSettings()).train()
    batch = Batch(torch.randn(2, 80, 16), torch.ones(2, 1, 16))
    weights = []
    for _ in range(6):
        losses = system.loss(batch)
        weights.append(((losses["total"] - 10 * losses["reconstruction"]) / losses["divergence"]).item())
    assert weights == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1], abs=1e-4)
    system.eval().loss(batch)
    system.save(tmp_path / "checkpoint.safetensors")
    assert AdaINVC.load(tmp_path / "checkpoint.safetensors").model.steps == 6


def test_the_divergence_is_that_of_a_standard_normal() -> None:
    torch.manual_seed(0)
    model = OriginalAutoencoder(SMALL, 10).eval()
    mel = torch.randn(16, 2, 10)
    mean, log_variance, _ = model.content_encoder(mel, None)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    ).mean()
    assert model.loss(mel, None)["divergence"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_training_samples_by_torchs_generator_and_evaluation_does_not() -> None:
    system = AdaINVC(AdaINConfig(recipe="original", original=SMALL), MelSettings()).train()
    batch = Batch(torch.randn(2, 80, 16), torch.ones(2, 1, 16))

    def reconstruction(seed: int) -> float:
        torch.manual_seed(seed)
        return system.loss(batch)["reconstruction"].item()

    assert reconstruction(1) == reconstruction(1) != reconstruction(2)
    system.eval()
    assert reconstruction(1) == reconstruction(2)


def test_mels_are_normalised_with_the_corpus() -> None:
    system = AdaINVC(AdaINConfig(recipe="original", original=SMALL), MelSettings()).eval().double()
    mean, deviation = torch.linspace(-4, 0, 80).double(), torch.linspace(0.5, 2, 80).double()
    mel = torch.randn(16, 1, 80, dtype=torch.double)
    plain = system.model.convert(mel, None, mel, None)
    system.initialise(mean, deviation, Batch(mel, mel))
    scaled = system.model.convert(mel * deviation + mean, None, mel * deviation + mean, None)
    assert torch.allclose(scaled, plain * deviation + mean)
