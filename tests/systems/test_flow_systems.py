"""The three flow systems: conversion, losses, latents, and what their conditions do."""

import math

import pytest
import torch
from vcbench.systems.ae_flow.system import AEFlow
from vcbench.systems.flowvc.system import FlowVC
from vcbench.systems.nd_flow.system import NDFlow
from vcbench.systems.shared.mel_flow.conditioned import ConversionError

from tests.support.flows import MEL, PHONES, SYSTEMS, small, trained, training_batch, utterances
from vcbench.api.batch import collate
from vcbench.api.settings import TrainingSettings
from vcbench.speech.utterance import Speaker


@pytest.mark.parametrize("kind", SYSTEMS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_decoding_what_was_encoded_gives_the_mel_back(kind, dtype, tolerance):
    system = trained(kind).to(dtype)
    batch = collate(utterances(a_1=1, a_2=2, a_3=13, a_4=20), system.needs)
    for name in ("mel", "mask", "log_f0", "voiced"):
        setattr(batch, name, getattr(batch, name).to(dtype))
    speaker = torch.randn(4, 6, dtype=dtype)
    projected = system._projected(batch, speaker)
    latent = system.encode(batch.mel, batch.mask, projected)
    assert (system.decode(latent, batch.mask, projected) - batch.mel).abs().max() < tolerance
    assert (latent[:1, :, 1:] == 0).all()


@pytest.mark.parametrize("kind", SYSTEMS)
def test_converting_together_equals_converting_alone(kind):
    system = trained(kind)
    sources = utterances(a_1=1, a_2=14, b_1=23)
    targets = [Speaker(name, tuple(utterances(**frames))) for name, frames in TARGETS.items()]
    together = system.convert_batch(sources, targets)
    for source, target, converted in zip(sources, targets, together, strict=True):
        assert converted.shape == source.mel.shape
        torch.testing.assert_close(converted, system.convert(source, target), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(converted, source.mel, atol=1e-2)


TARGETS = {"c": {"c_1": 9}, "d": {"d_1": 8, "d_2": 15}, "e": {"e_1": 30}}


def test_flowvc_and_encoding_ae_flow_return_an_utterance_to_its_own_speaker():
    (source,) = utterances(a_1=21)
    for system in (trained(FlowVC), trained(AEFlow, skip_encoding=False)):
        converted = system.convert(source, Speaker("a", (source,)))
        torch.testing.assert_close(converted, source.mel, atol=1e-4, rtol=0)
        assert system.exact_inverse
    assert not trained(AEFlow).exact_inverse
    assert not trained(NDFlow).exact_inverse


def test_a_sample_depends_on_seed_source_and_target():
    (source, other), target = utterances(a_1=12, a_2=12), Speaker("c", tuple(utterances(c_1=9)))
    system = trained(NDFlow, temperature=1.0)
    first = system.convert(source, target)
    assert torch.equal(first, system.convert(source, target))
    system.seed = 1
    assert not torch.allclose(first, system.convert(source, target), atol=1e-3)
    system.seed = 0
    renamed = Speaker("d", target.utterances)
    assert not torch.allclose(first, system.convert(source, renamed), atol=1e-3)
    assert not torch.allclose(first, system.convert(other, target), atol=1e-3)


def test_temperature_zero_leaves_nothing_to_chance():
    (source,), utterance = utterances(a_1=12), tuple(utterances(c_1=9))
    system = trained(AEFlow, temperature=0.0)
    assert torch.equal(system.convert(source, Speaker("c", utterance)), system.convert(source, Speaker("d", utterance)))


def test_one_seed_gives_one_set_of_weights_whatever_was_drawn_before():
    first = small(FlowVC)
    torch.randn(5)
    second = small(FlowVC)
    for name, tensor in first.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("kind", "changes", "parts"),
    [
        (FlowVC, {}, {"nll": 1.0}),
        (NDFlow, {}, {"reconstruction": 1.0}),
        (AEFlow, {"lambda": 0.9}, {"nll": 0.1, "reconstruction": 0.9}),
        (AEFlow, {"lambda": 0.0}, {"nll": 1.0}),
        (AEFlow, {"lambda": 1.0}, {"reconstruction": 1.0}),
    ],
)
def test_the_loss_is_what_the_paper_says(kind, changes, parts):
    losses = trained(kind, **changes).loss(training_batch())
    total = sum(weight * float(losses[name].detach()) for name, weight in parts.items())
    assert float(losses["total"].detach()) == pytest.approx(total, rel=1e-5)
    assert set(losses) - {"total", "bits_per_dimension"} == set(parts)
    if "nll" in parts:
        assert losses["bits_per_dimension"] * math.log(2) == pytest.approx(float(losses["nll"].detach()), rel=1e-5)


def test_likelihood_counts_whole_pairs_and_no_padding():
    system = trained(FlowVC, noise=0.0)
    batch = collate(utterances(a_1=13, a_2=20), system.needs)
    speaker = torch.randn(2, 6)
    nats, values = system.likelihood(
        system.normalise(batch.mel, batch.mask), batch.mask, system._projected(batch, speaker)
    )
    assert values.tolist() == [12 * 8, 20 * 8]
    alone = collate(utterances(a_1=13), system.needs)
    alone_nats, _ = system.likelihood(
        system.normalise(alone.mel, alone.mask), alone.mask, system._projected(alone, speaker[:1])
    )
    torch.testing.assert_close(nats[:1], alone_nats)
    changed = alone.mel.clone()
    changed[..., 12:] += 1
    assert torch.equal(
        system.likelihood(system.normalise(changed, alone.mask), alone.mask, system._projected(alone, speaker[:1]))[0],
        alone_nats,
    )


def test_l1_and_l2_measure_the_same_sample():
    losses = {}
    for kind in ("l1", "l2"):
        system = trained(NDFlow, reconstruction_loss=kind)
        torch.manual_seed(5)
        losses[kind] = float(system.loss(training_batch())["reconstruction"].detach())
    assert losses["l1"] != losses["l2"]
    assert losses["l1"] ** 2 <= losses["l2"]  # Jensen


@pytest.mark.parametrize("kind", SYSTEMS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_phones": False},
        {"use_pitch": False, "use_voicing": False},
        {"use_speaker": False},
        {"use_energy": True},
        {"use_energy": True, "use_phones": False},
    ],
)
def test_gradient_reaches_every_parameter(kind, changes):
    system = trained(kind, **changes)
    system.loss(training_batch())["total"].backward()
    without = [
        name for name, parameter in system.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert without == []


def test_without_the_speaker_the_target_does_not_matter():
    (source,) = utterances(a_1=12)
    system = trained(AEFlow, use_speaker=False, temperature=0.0)
    first, second = (
        system.convert(source, Speaker(name, tuple(utterances(**frames)))) for name, frames in PAIR.items()
    )
    assert torch.equal(first, second)
    assert set(system.latents(source)) == {"content"}


PAIR = {"c": {"c_1": 9}, "d": {"d_1": 17}}


def test_the_reference_matters_when_there_is_a_speaker():
    (source,) = utterances(a_1=12)
    system = trained(AEFlow, temperature=0.0)
    first, second = (
        system.convert(source, Speaker(name, tuple(utterances(**frames)))) for name, frames in PAIR.items()
    )
    assert not torch.allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("kind", SYSTEMS)
def test_save_and_load_keep_everything(kind, tmp_path):
    system = trained(kind)
    system.save(tmp_path / "checkpoint.safetensors")
    loaded = kind.load(tmp_path / "checkpoint.safetensors", MEL)
    assert loaded.config == system.config
    source, target = utterances(a_1=12)[0], Speaker("c", tuple(utterances(c_1=9)))
    assert torch.equal(loaded.convert(source, target), system.convert(source, target))
    loaded.initialise(torch.full((8,), -2.0), torch.ones(8), training_batch())  # ActNorm initialises only once
    assert torch.equal(loaded.convert(source, target), system.convert(source, target))


def test_lambda_is_written_as_in_the_paper_or_as_python_wants_it():
    training = TrainingSettings(steps=1, reference_frames=4)
    written = [AEFlow.Config(**{name: 0.5}, phones=PHONES, training=training) for name in ("lambda", "lambda_")]
    assert written[0] == written[1]
    assert written[0].lambda_ == 0.5
    with pytest.raises(ValueError, match="less than or equal to 1"):
        AEFlow.Config(**{"lambda": 1.5}, phones=PHONES, training=training)


def test_latents_are_the_flows_and_the_speakers():
    system = trained(FlowVC)
    (source,) = utterances(a_1=13)
    latents = system.latents(source)
    assert latents["content"].shape == (16, 7)
    assert latents["speaker"].shape == (6,)


def test_bfloat16_changes_the_loss_little():
    losses, system = {}, trained(AEFlow)
    for precision in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision):
            losses[precision] = system.loss(training_batch())["total"]
    assert losses[True].dtype == torch.float32
    assert losses[True].item() == pytest.approx(losses[False].item(), rel=0.02)


def test_every_reference_of_the_target_counts_and_their_order_does_not():
    (source,), references = utterances(a_1=12), tuple(utterances(c_1=9, c_2=17))
    system = trained(AEFlow, temperature=0.0)
    both, reversed_, first = (
        system.convert(source, Speaker("c", chosen)) for chosen in (references, references[::-1], references[:1])
    )
    torch.testing.assert_close(both, reversed_, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(both, first, atol=1e-3)


def test_an_unvoiced_utterance_converts():
    (source,) = utterances(a_1=12)
    source.features.unvoiced.add("a_1")
    assert trained(AEFlow).convert(source, Speaker("c", tuple(utterances(c_1=9)))).isfinite().all()


def test_an_exploding_inverse_is_an_error_that_names_the_trial():
    system = trained(AEFlow)
    with torch.no_grad():
        system.flow.norms[0].log_deviation.fill_(40.0)
    with pytest.raises(ConversionError, match=r"'a_1' to 'c'.*exploded"):
        system.convert(utterances(a_1=12)[0], Speaker("c", tuple(utterances(c_1=9))))


def test_a_target_without_recordings_is_refused():
    with pytest.raises(ConversionError, match="'c' has no reference recording"):
        trained(AEFlow).convert(utterances(a_1=12)[0], Speaker("c", ()))
