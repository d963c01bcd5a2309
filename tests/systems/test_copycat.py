"""CopyCat: networks, bottleneck, loss and annealing, conversion, and what its conditions do."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor
from vcbench.systems.copycat.networks import Gaussian, PhoneEncoder, ReferenceEncoder, phone_sequence
from vcbench.systems.copycat.settings import CopyCatConfig
from vcbench.systems.copycat.system import CopyCat
from vcbench.systems.shared.mel_flow.conditioned import ConversionError

from tests.support.flows import MEL, PHONES, training_batch, utterances
from vcbench.api.batch import collate
from vcbench.api.settings import TrainingSettings
from vcbench.speech.utterance import Speaker
from vcbench.training.loop import train

SMALL = {
    "phones": PHONES, "phone_channels": 8, "phone_layers": 2, "encoder_width": 8, "encoder_layers": 2, "decoder_width": 8,
    "decoder_layers": 2, "kernel": 3, "rate": 4, "latent_channels": 3, "annealing_steps": 4, "speaker_channels": 6,
    "speaker_width": 8,
}  # fmt: skip

TARGETS = {"c": {"c_1": 9}, "d": {"d_1": 8, "d_2": 15}, "e": {"e_1": 30}}


def config(**changes) -> CopyCatConfig:
    training = TrainingSettings(
        steps=4, batch_size=4, frames=12, learning_rate=1e-3, reference_frames=10, evaluate_every=2, checkpoint_every=2
    )
    return CopyCatConfig(**{**SMALL, "training": training, **changes})


def system(**changes) -> CopyCat:
    """A system with every parameter moved away from its initial value."""
    made = CopyCat(config(**changes), MEL)
    torch.manual_seed(3)
    made.initialise(torch.full((8,), -2.0), torch.ones(8), training_batch())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


def posterior(made: CopyCat, **frames: int) -> Gaussian:
    sources = utterances(**frames)
    batch = collate(sources, made.needs)
    with torch.no_grad():
        return made._posterior(batch, made._frames(batch), sources)[0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=8), st.integers(0, 4))
def test_phones_and_durations_are_read_from_the_frames(runs: list[tuple[int, int]], padding: int) -> None:
    frames = torch.cat([torch.full((length,), phone) for phone, length in runs])
    mask = (torch.arange(len(frames) + padding) < len(frames)).float()[None, None]
    padded = torch.nn.functional.pad(frames, (0, padding))[None]
    order, alignment = phone_sequence(padded, mask)
    durations = alignment[0].sum(-1).long()
    count = int((durations > 0).sum())
    assert torch.equal(order[0, :count].repeat_interleave(durations[:count]), frames)
    assert all(one != other for one, other in pairwise(order[0, :count].tolist()))
    assert (durations[count:] == 0).all()
    assert (order[0, count:] == 0).all()


def test_a_phone_has_one_encoding_however_long_it_is() -> None:
    torch.manual_seed(0)
    encoder = PhoneEncoder(PHONES, 6, 2, 3)
    short, long = torch.tensor([[1, 2, 2, 3]]), torch.tensor([[1, 1, 1, 2, 3, 3]])
    spoken = [encoder(phones, torch.ones(1, 1, phones.shape[1])) for phones in (short, long)]
    torch.testing.assert_close(spoken[0][..., [0, 1, 3]], spoken[1][..., [0, 3, 4]])
    torch.testing.assert_close(spoken[0][..., 1], spoken[0][..., 2])
    alone = encoder(torch.tensor([[2]]), torch.ones(1, 1, 1))
    assert not torch.allclose(alone[..., 0], spoken[0][..., 1])  # neighbours matter


@pytest.mark.parametrize("rate", [1, 3, 4, 16])
def test_the_bottleneck_has_a_latent_per_block_of_frames(rate: int) -> None:
    made = system(rate=rate)
    (source,) = utterances(a_1=13)
    content = made.latents(source)["content"]
    assert content.shape == (3, -(-13 // rate))
    assert made.convert(source, Speaker("c", tuple(utterances(c_1=9)))).shape == source.mel.shape
    (batch, frames) = (collate([source], made.needs), made._frames(collate([source], made.needs)))
    decoded = made.decoder(content[None], batch.mask, frames.decoder, torch.zeros(1, 6))
    moved = content.clone()
    moved[:, -1] += 1
    changed = (made.decoder(moved[None], batch.mask, frames.decoder, torch.zeros(1, 6)) != decoded).any(1)[0]
    last_block, reach = (content.shape[1] - 1) * rate, 3  # of two layers of kernel 3, dilations 1 and 2
    assert changed[last_block:].all()
    assert not changed[: max(0, last_block - reach)].any()


def test_what_is_constant_in_a_recording_does_not_enter_the_latent() -> None:
    torch.manual_seed(0)
    encoder = ReferenceEncoder(config(), 8, 3)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    mel, mask, frames, speaker = torch.randn(1, 8, 20), torch.ones(1, 1, 20), torch.randn(1, 3, 20), torch.randn(1, 6)
    louder = 1.5 * mel + torch.linspace(-1, 1, 8)[:, None]
    first, second = (encoder(one, mask, [frames], speaker) for one in (mel, louder))
    torch.testing.assert_close(first.mean, second.mean, atol=1e-4, rtol=1e-4)
    other = encoder(mel.flip(-1), mask, [frames], speaker)
    assert not torch.allclose(first.mean, other.mean, atol=1e-2)


def test_the_posterior_depends_on_mel_phones_and_speaker() -> None:
    made = system()
    (source,) = utterances(a_1=14)
    batch = collate([source], made.needs)

    def mean(mel: Tensor, phones: Tensor, speaker: Tensor) -> Tensor:
        batch.phones = phones
        return made.reference_encoder(mel, batch.mask, made._frames(batch).encoder, speaker).mean

    phones, speaker = batch.phones, torch.zeros(1, 6)
    first = mean(batch.mel, phones, speaker)
    for changed in (mean(batch.mel.flip(-1), phones, speaker), mean(batch.mel, phones.flip(-1), speaker)):
        assert not torch.allclose(changed, first, atol=1e-3)
    assert not torch.allclose(mean(batch.mel, phones, speaker + 1), first, atol=1e-3)


def test_the_divergence_is_that_of_a_standard_normal_over_real_blocks() -> None:
    torch.manual_seed(0)
    mean, log_variance, mask = torch.randn(2, 3, 5), torch.randn(2, 3, 5), torch.ones(2, 1, 5)
    mask[1, :, 3:] = 0
    nats = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(Gaussian(mean, log_variance, mask).divergence(), (nats * mask).sum())


def test_the_divergences_weight_is_annealed_by_training_steps_that_the_checkpoint_keeps(tmp_path: Path) -> None:
    made = system(divergence_weight=0.5)
    made.train()
    weights = []
    for _ in range(6):
        losses = {name: float(value.detach()) for name, value in made.loss(training_batch()).items()}
        weights.append((losses["total"] - losses["reconstruction"]) / losses["divergence"])
    assert weights == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5], rel=1e-3)
    made.eval()
    made.loss(training_batch())
    made.save(tmp_path / "checkpoint.safetensors")
    assert CopyCat.load(tmp_path / "checkpoint.safetensors").steps == 6


def test_training_samples_by_torchs_generator_and_evaluation_takes_the_mean() -> None:
    made = system().train()

    def reconstruction(seed: int) -> float:
        torch.manual_seed(seed)
        return made.loss(training_batch())["reconstruction"].item()

    assert reconstruction(1) == reconstruction(1) != reconstruction(2)
    made.eval()
    assert reconstruction(1) == reconstruction(2)


def test_the_loss_counts_no_padding() -> None:
    made = system()
    batch = training_batch()
    before = made.loss(batch)
    batch.mel = batch.mel + 5 * (1 - batch.mask)
    after = made.loss(batch)
    for name, value in before.items():
        torch.testing.assert_close(after[name], value)


@pytest.mark.parametrize("rate", [1, 4, 8])
def test_converting_together_equals_converting_alone(rate: int) -> None:
    made = system(rate=rate)
    sources = utterances(a_1=1, a_2=14, b_1=23)
    targets = [Speaker(name, tuple(utterances(**frames))) for name, frames in TARGETS.items()]
    together = made.convert_batch(sources, targets)
    for source, target, converted in zip(sources, targets, together, strict=True):
        assert converted.shape == source.mel.shape
        torch.testing.assert_close(converted, made.convert(source, target), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(converted, source.mel, atol=1e-2)


def test_conversion_is_the_posteriors_mean_and_leaves_nothing_to_chance() -> None:
    made, (source,), target = system(), utterances(a_1=14), Speaker("c", tuple(utterances(c_1=9)))
    first = made.convert(source, target)
    torch.manual_seed(9)
    made.seed = 1
    assert torch.equal(made.convert(source, target), first)


def test_the_targets_recordings_decide_the_voice() -> None:
    (source,), references = utterances(a_1=14), tuple(utterances(c_1=9, c_2=17))
    both, reversed_, first = (
        system().convert(source, Speaker("c", chosen)) for chosen in (references, references[::-1], references[:1])
    )
    torch.testing.assert_close(both, reversed_, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(both, first, atol=1e-3)
    without = system(use_speaker=False)
    assert torch.equal(*(without.convert(source, Speaker("c", (one,))) for one in references))
    assert set(without.latents(source)) == {"content"}


@pytest.mark.parametrize("off", [(), ("use_pitch", "use_voicing"), ("use_speaker",)])
def test_gradient_reaches_every_parameter(off: tuple[str, ...]) -> None:
    made = system(**dict.fromkeys(off, False)).train()
    made.loss(training_batch())["total"].backward()
    without = [name for name, value in made.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []


@pytest.mark.parametrize(("switch", "field"), [("use_pitch", "log_f0"), ("use_voicing", "voiced")])
def test_melody_and_voicing_reach_the_decoder_unless_switched_off(switch: str, field: str) -> None:
    for used in (True, False):
        made, batch = system(**{switch: used}), training_batch()
        before = made.loss(batch)
        setattr(batch, field, getattr(batch, field) + batch.mask)
        after = made.loss(batch)
        assert torch.equal(before["divergence"], after["divergence"])  # the reference encoder does not see them
        assert torch.equal(before["reconstruction"], after["reconstruction"]) != used


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    made = system()
    made.save(tmp_path / "checkpoint.safetensors")
    loaded = CopyCat.load(tmp_path / "checkpoint.safetensors", MEL)
    assert loaded.config == made.config
    source, target = utterances(a_1=12)[0], Speaker("c", tuple(utterances(c_1=9)))
    assert torch.equal(loaded.convert(source, target), made.convert(source, target))


def test_latents_are_the_posteriors_mean_and_the_speaker() -> None:
    made = system()
    latents = made.latents(utterances(a_1=13)[0])
    torch.testing.assert_close(latents["content"], posterior(made, a_1=13).mean[0])
    assert latents["speaker"].shape == (6,)


def test_bfloat16_changes_the_loss_little() -> None:
    losses, made = {}, system().train()
    for precision in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision):
            losses[precision] = made.loss(training_batch())
    for name, value in losses[True].items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(losses[False][name].item(), rel=0.03)


def test_one_seed_gives_one_set_of_weights_whatever_was_drawn_before() -> None:
    first = CopyCat(config(), MEL)
    torch.randn(5)
    second = CopyCat(config(), MEL)
    assert all(torch.equal(second.state_dict()[name], value) for name, value in first.state_dict().items())


def test_the_training_loop_trains_every_parameter_and_resumes_with_the_annealing(tmp_path: Path) -> None:
    training, held_out = utterances(a_1=30, a_2=9, b_1=17, b_2=14), utterances(a_5=12, b_5=20)
    whole, begun, resumed = (CopyCat(config(), MEL) for _ in range(3))
    before = {name: value.clone() for name, value in whole.named_parameters()}
    train(whole, training, held_out, tmp_path / "whole", seed=0)
    assert all(not torch.equal(before[name], value) for name, value in whole.named_parameters())
    assert whole.steps == 4

    def interrupt(row: dict[str, float]) -> None:
        if row["step"] == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(begun, training, held_out, tmp_path / "parts", seed=0, track=interrupt)
    train(resumed, training, held_out, tmp_path / "parts", seed=0)
    assert all(torch.equal(resumed.state_dict()[name], value) for name, value in whole.state_dict().items())


def test_ge2e_conditions_it_if_the_settings_say_so(tmp_path: Path) -> None:
    assert config(speaker_embedding="ge2e").speaker_encoder == "ge2e"
    assert config().speaker_encoder is None
    pytest.importorskip("resemblyzer")
    made = CopyCat(config(speaker_embedding="ge2e"), MEL)
    train(made, utterances(a_1=90, b_1=95), utterances(b_2=92), tmp_path, seed=0)
    source, target = utterances(a_1=90)[0], Speaker("b", tuple(utterances(b_1=95)))
    assert made.convert(source, target).shape == source.mel.shape
    assert made.latents(source)["speaker"].shape == (256,)


def test_a_target_without_recordings_is_refused() -> None:
    with pytest.raises(ConversionError, match="'c' has no reference recording"):
        system().convert(utterances(a_1=12)[0], Speaker("c", ()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": 4}, "kernel must be odd"),
        ({"rate": 0}, "greater than or equal to 1"),
        ({"divergence_weight": -1}, "greater than or equal to 0"),
        ({"annealing_steps": 0}, "greater than or equal to 1"),
        ({"speaker_embedding": "ecapa"}, "'learned' or 'ge2e'"),
        ({"rates": 8}, "Extra inputs are not permitted"),
        ({"training": TrainingSettings(steps=1)}, "training.reference_frames"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**changes)
