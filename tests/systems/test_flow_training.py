"""The three flow systems in the training loop."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vcbench.systems.ae_flow.system import AEFlow
from vcbench.systems.flowvc.system import FlowVC

from tests.support.flows import MEL, PHONES, SYSTEMS, InMemory, small, utterances
from vcbench.api.batch import collate
from vcbench.api.settings import TrainingSettings
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.training.loop import train


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
