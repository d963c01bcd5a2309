"""FlowVC, ND-Flow and AE-Flow: exact, independent of neighbours, and clear about bad input."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vcbench.systems.ae_flow.system import AEFlow
from vcbench.systems.flowvc.system import FlowVC
from vcbench.systems.nd_flow.system import NDFlow
from vcbench.systems.shared.mel_flow.system import ConversionError, MelFlow

from vcbench.api.batch import Batch, collate
from vcbench.api.settings import TrainingSettings
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.training.loop import train

SYSTEMS = [FlowVC, AEFlow, NDFlow]


MEL = MelSettings(n_mels=8)


PHONES = 5


SMALL = {
    "steps": 3, "width": 8, "layers": 2, "kernel": 3, "condition_channels": 12, "condition_layers": 2, "phones": PHONES,
    "speaker_channels": 6, "speaker_width": 8,
}  # fmt: skip


@dataclass
class InMemory:
    """Features of synthetic utterances, generated from their ids, with the interface of a FeatureStore."""

    frames: dict[str, int]
    unvoiced: set[str] = field(default_factory=set)
    mel_settings: MelSettings = MEL
    sampling_rate: int = MEL.sampling_rate

    def _generator(self, utterance: Utterance) -> torch.Generator:
        return torch.Generator().manual_seed(sum(utterance.id.encode()))

    def wave(self, utterance: Utterance) -> Tensor:
        return torch.randn(self.frames[utterance.id] * MEL.hop, generator=self._generator(utterance)) / 10

    def mel(self, utterance: Utterance) -> Tensor:
        return torch.randn(MEL.n_mels, self.frames[utterance.id], generator=self._generator(utterance)) - 2

    def pitch(self, utterance: Utterance) -> tuple[Tensor, Tensor]:
        voiced = torch.rand(self.frames[utterance.id], generator=self._generator(utterance)) < 0.6
        voiced &= utterance.id not in self.unvoiced
        return torch.where(voiced, 5.0 + torch.linspace(0, 1, len(voiced)), 0.0), voiced

    def phones(self, utterance: Utterance) -> Tensor:
        return torch.arange(self.frames[utterance.id]) // 3 % PHONES


def utterances(**frames: int) -> list[Utterance]:
    """Utterances named ``speaker_number``, with these numbers of frames."""
    store = InMemory(frames)
    return [Utterance(name, name.split("_")[0], Path(name), features=store) for name in frames]


def small(kind: type[MelFlow], **changes) -> MelFlow:
    training = TrainingSettings(
        steps=4, batch_size=4, frames=12, learning_rate=1e-3, reference_frames=10, evaluate_every=2
    )
    return kind(kind.Config(**{**SMALL, "training": training, **changes}), MEL)


def trained(kind: type[MelFlow], **changes) -> MelFlow:
    """A system with every parameter moved away from its initial value."""
    system = small(kind, **changes)
    torch.manual_seed(3)
    system.initialise(torch.full((8,), -2.0), torch.ones(8), training_batch())
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return system.eval()


def training_batch() -> Batch:
    batch = collate(utterances(a_1=12, a_2=11, b_1=7), MelFlow.needs)
    references = collate(utterances(a_3=10, a_4=9, b_2=10), ("mel",))
    batch.reference, batch.reference_mask, batch.speaker = references.mel, references.mask, torch.tensor([0, 0, 1])
    return batch


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
@pytest.mark.parametrize("off", [(), ("use_phones",), ("use_pitch", "use_voicing"), ("use_speaker",)])
def test_gradient_reaches_every_parameter(kind, off):
    system = trained(kind, **dict.fromkeys(off, False))
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


@pytest.mark.parametrize("kind", SYSTEMS)
def test_the_training_loop_trains_it(kind, tmp_path):
    system = small(kind)
    before = {name: parameter.clone() for name, parameter in system.named_parameters()}
    training = utterances(a_1=30, a_2=9, b_1=17, b_2=14)
    train(system, training, utterances(a_5=12, b_5=20), tmp_path, seed=0)
    assert all(not torch.equal(before[name], parameter) for name, parameter in system.named_parameters())
    assert (tmp_path / "train.jsonl").read_text().count("held_out_total") == 2


class Learnable(InMemory):
    """Each phone has its own sound, each speaker shifts all phones, and there is little noise."""

    def mel(self, utterance: Utterance) -> Tensor:
        sounds = torch.randn(MEL.n_mels, PHONES, generator=torch.Generator().manual_seed(0))
        voice = torch.randn(MEL.n_mels, 1, generator=torch.Generator().manual_seed(ord(utterance.speaker)))
        return sounds[:, self.phones(utterance)] + voice - 2 + 0.1 * super().mel(utterance)


def test_likelihood_falls_on_held_out_speech_and_ae_flows_samples_come_closer(tmp_path):
    names = {f"{speaker}_{number}": 24 + number for speaker in "abc" for number in range(5)}
    store = Learnable(names)
    everything = [Utterance(name, name[0], Path(name), features=store) for name in names]
    training = [utterance for utterance in everything if not utterance.id.endswith("_4")]
    held_out = [utterance for utterance in everything if utterance.id.endswith("_4")]
    recipe = TrainingSettings(
        steps=120,
        batch_size=8,
        frames=16,
        learning_rate=1e-2,
        schedule="one-cycle",
        reference_frames=16,
        evaluate_every=20,
    )
    distances = {}
    for kind in (FlowVC, AEFlow):
        system = small(kind, training=recipe)
        train(system, training, held_out, tmp_path / system.name, seed=0)
        rows = [json.loads(line) for line in (tmp_path / system.name / "train.jsonl").read_text().splitlines()]
        for name in ("nll", "held_out_nll"):
            assert rows[-1][name] < rows[0][name] - 0.2
        batch = collate(held_out, system.needs)
        with torch.no_grad():
            projected = system._projected(batch, system._speaker([[utterance] for utterance in held_out]))
            distances[kind] = float(system.reconstruction(batch, projected))
    assert distances[AEFlow] < 0.8 * distances[FlowVC]


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


def test_ge2e_conditions_training_and_conversion(tmp_path):
    pytest.importorskip("resemblyzer")
    system = small(AEFlow, speaker_embedding="ge2e")
    train(system, utterances(a_1=90, b_1=95), utterances(b_2=92), tmp_path, seed=0)
    assert {mode: len(table) for mode, table in system.ge2e_tables.items()} == {True: 2, False: 1}
    source, target = utterances(a_1=90)[0], Speaker("b", tuple(utterances(b_1=95)))
    assert system.convert(source, target).shape == source.mel.shape
    assert system.latents(source)["speaker"].shape == (256,)
    system.save(tmp_path / "checkpoint.safetensors")
    loaded = AEFlow.load(tmp_path / "checkpoint.safetensors")
    assert torch.equal(loaded.convert(source, target), system.convert(source, target))
