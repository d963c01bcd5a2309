"""Speaker probe: finds a speaker that is in the latents, and only then; its control is at chance."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from vcbench.evaluations.networks.probe import Classifier, accuracy, prepare
from vcbench.evaluations.speaker_probe import SpeakerProbe

from tests.support.recordings import FakeRun
from vcbench.api.batch import noise_generator
from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.speech.corpora.split import Split
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Utterance
from vcbench.stages.score_cache import evaluate

SPEAKERS, CHANNELS = 8, 12


def latents(count: int, leak: float, seed: int) -> tuple[list[Tensor], list[int]]:
    """Noise plus `leak` times a different direction for each speaker."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(SPEAKERS, CHANNELS, 1, generator=torch.Generator().manual_seed(99))
    labels = [speaker for speaker in range(SPEAKERS) for _ in range(count)]
    lengths = torch.randint(20, 90, (len(labels),), generator=generator).tolist()
    made = [
        torch.randn(CHANNELS, length, generator=generator) + leak * directions[speaker]
        for speaker, length in zip(labels, lengths, strict=True)
    ]
    return made, labels


def share(leak: float, seed: int = 0, permuted: bool = False) -> float:
    data = prepare(*latents(12, leak, 1), *latents(8, leak, 2))
    return float(accuracy(data, seed, permuted).float().mean())


def test_a_speaker_who_is_there_is_found() -> None:
    assert share(0.5) > 0.9


def test_a_speaker_who_is_not_there_is_not_found() -> None:
    """64 tests with a chance of 1/8: 0.3 is over four standard deviations away."""
    assert share(0.0) < 0.3


def test_permuted_labels_are_at_chance_where_the_true_ones_are_found() -> None:
    assert sum(share(0.5, seed, permuted=True) for seed in range(3)) / 3 < 0.3


def test_it_is_the_same_with_the_same_seed_and_leaves_the_global_generator_alone() -> None:
    data = prepare(*latents(4, 0.1, 1), *latents(4, 0.1, 2))
    torch.manual_seed(5)
    first = accuracy(data, 0, steps=100)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)
    assert torch.equal(accuracy(data, 0, steps=100), first)


def test_channels_of_any_scale_are_normalised() -> None:
    scale = torch.logspace(-4, 4, CHANNELS)[:, None]
    training, labels = latents(6, 0.5, 1)
    test, test_labels = latents(4, 0.5, 2)
    plain = prepare(training, labels, test, test_labels)
    scaled = prepare([one * scale + 7 for one in training], labels, [one * scale + 7 for one in test], test_labels)
    assert torch.allclose(plain.training, scaled.training, atol=1e-2)


def test_what_a_flat_sigmoid_hides_from_a_raw_probe_is_there() -> None:
    """The same latents, flattened by a sigmoid: a probe finds the speaker in them only if they are normalised."""
    training, labels = latents(12, 0.5, 1)
    test, test_labels = latents(8, 0.5, 2)
    flat = [[torch.sigmoid(0.01 * one) for one in part] for part in (training, test)]
    found = {
        normalise: float(accuracy(prepare(flat[0], labels, flat[1], test_labels, normalise), 0).float().mean())
        for normalise in (True, False)
    }
    assert found[True] > 0.9
    assert found[False] < 0.5


def test_padding_changes_nothing() -> None:
    classifier = Classifier(CHANNELS, SPEAKERS)
    latent = torch.randn(1, CHANNELS, 30)
    alone = classifier(latent, torch.ones(1, 1, 30))
    padded = torch.cat([latent, torch.full((1, CHANNELS, 20), 9.0)], -1)
    mask = torch.cat([torch.ones(1, 1, 30), torch.zeros(1, 1, 20)], -1)
    assert torch.allclose(classifier(padded, mask), alone, atol=1e-6)
    assert [type(layer).__name__ for layer in classifier.convolutions] == ["Conv1d"] * 3


@pytest.mark.parametrize("count", [1, 3])
def test_speakers_with_few_utterances_are_probed(count: int) -> None:
    data = prepare(*latents(count, 1.0, 1), *latents(4, 1.0, 2))
    assert float(accuracy(data, 0).float().mean()) > 0.7


class Leaky(NeuralSystem):
    """Content is noise; the speaker embedding is the speaker."""

    name = "leaky"

    def __init__(self, embeds: bool = True) -> None:
        super().__init__(SystemConfig(training=TrainingSettings(steps=1)), MelSettings())
        self.weight, self.embeds = nn.Linear(1, 1), embeds

    def latents(self, utterance: Utterance) -> dict[str, Tensor]:
        found = {"content": torch.randn(4, 40, generator=noise_generator(0, utterance.id))}
        if self.embeds:
            voice = torch.randn(4, 1, generator=noise_generator(1, utterance.speaker))
            found["activated"] = torch.sigmoid(0.01 * (found["content"] + 3 * voice))
            found["speaker"] = torch.randn(6, generator=noise_generator(0, utterance.speaker))
        return found


def test_every_held_out_utterance_is_a_row_of_each_column(small_split: Split, tmp_path: Path) -> None:
    run = FakeRun(tmp_path, split=small_split, loaded={"leaky": Leaky(), "mute": Leaky(embeds=False)})
    metric = SpeakerProbe(test_utterances=8, seeds=2, steps=300)
    scores = evaluate(metric, run)
    held_out = {utterance.id for utterance in small_split.held_out}
    means = {}
    for column in metric.columns:
        rows = [score for score in scores if (score.system, score.column) == ("leaky", column)]
        assert {score.trial for score in rows} == held_out
        means[column] = sum(score.value for score in rows) / len(rows)
    speakers = len({utterance.speaker for utterance in small_split.training})
    assert means["probe_chance"] == pytest.approx(1 / speakers)
    assert means["probe_speaker"] > 0.9
    assert means["probe_content"] < 0.55  # chance is 0.25, of 32 rows
    mute = metric.columns.keys() - {"probe_speaker", "probe_raw"}
    assert {score.column for score in scores if score.system == "mute"} == mute
    assert {score.value for score in scores} <= {0.0, 0.5, 1.0, 1 / speakers}


def test_a_latent_that_is_not_finite_is_an_error(
    small_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leaky, "latents", lambda self, utterance: {"content": torch.full((2, 9), float("nan"))})
    with pytest.raises(ValueError, match="the content latent"):
        evaluate(SpeakerProbe(), FakeRun(tmp_path, split=small_split, loaded={"leaky": Leaky()}))
