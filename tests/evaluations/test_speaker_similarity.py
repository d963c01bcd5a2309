"""Speaker similarity: encoders match the originals, cosines are correct, thresholds come from the corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from vcbench.evaluations.speaker_similarity import EcapaSimilarity, Ge2eSimilarity
from vcbench.evaluations.verification import cosine, equal_error_rate, verification_cosines

from tests.support.recordings import FakeRun, conversion
from vcbench.api.scores import scores_to_frame
from vcbench.base.errors import ModelUnavailable
from vcbench.speech import audio
from vcbench.speech.batches import TOGETHER
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.speaker_encoders import Ecapa, Ge2e
from vcbench.speech.utterance import Corpus, Speaker, Utterance
from vcbench.stages.score_cache import evaluate

here = pytest.mark.skipif(weights.look("ge2e") is None, reason="resemblyzer is not installed")


# The layout of the hub's folder, with a small network.
HYPERPARAMETERS = """
n_mels: 80
pretrained_path: {path}
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: [32, 32, 32, 32, 96]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 16
    lin_neurons: 24
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 24
    out_neurons: 7
mean_var_norm_emb: !new:speechbrain.processing.features.InputNormalization
    norm_type: global
    std_norm: False
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    mean_var_norm_emb: !ref <mean_var_norm_emb>
    classifier: !ref <classifier>
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        mean_var_norm_emb: !ref <mean_var_norm_emb>
        classifier: !ref <classifier>
        label_encoder: !ref <label_encoder>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        mean_var_norm_emb: !ref <pretrained_path>/mean_var_norm_emb.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small version of speechbrain/spkrec-ecapa-voxceleb, with random weights and batch statistics."""
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier

    folder = tmp_path_factory.mktemp("spkrec-ecapa-voxceleb")
    torch.manual_seed(0)
    sizes = {"channels": [32, 32, 32, 32, 96], "attention_channels": 16, "lin_neurons": 24}
    model = ECAPA_TDNN(80, kernel_sizes=[5, 3, 3, 3, 1], dilations=[1, 2, 3, 4, 1], **sizes)
    for name, value in model.named_buffers():
        if "running" in name:
            value.uniform_(0.5, 1.5)
    torch.save(model.state_dict(), folder / "embedding_model.ckpt")
    torch.save(Classifier(24, out_neurons=7).state_dict(), folder / "classifier.ckpt")
    statistics = {"count": 9, "glob_mean": torch.randn(24), "glob_std": torch.ones(1)}
    torch.save(statistics, folder / "mean_var_norm_emb.ckpt")
    (folder / "label_encoder.txt").write_text("'id1' => 0\n================\n'starting_index' => 0\n")
    (folder / "hyperparams.yaml").write_text(HYPERPARAMETERS.format(path=folder))
    return folder


@pytest.fixture(scope="module")
def waves(small_corpus: Corpus) -> list[np.ndarray]:
    utterances = [speaker.utterances[0] for speaker in small_corpus.speakers[:3]]
    return [audio.resample(one.wave.numpy(), one.sampling_rate, 16_000) for one in utterances]


def test_ecapa_is_speechbrains_encoder_classifier(hub_folder: Path, waves: list[np.ndarray], tmp_path: Path) -> None:
    from speechbrain.inference.classifiers import EncoderClassifier

    original = EncoderClassifier.from_hparams(source=str(hub_folder), savedir=str(tmp_path))
    encoder = Ecapa("cpu", hub_folder)
    for wave in waves:
        expected = original.encode_batch(torch.from_numpy(wave)[None])[0, 0].numpy()
        assert encoder([wave])[0] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.parametrize("together", [64 * 16_000, 4 * 16_000])
def test_ecapa_of_many_waves_is_that_of_each(
    together: int, hub_folder: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TOGETHER, "cpu", together)
    encoder = Ecapa("cpu", hub_folder)
    parts = [wave[:length] for wave, length in zip(waves, (900, 16_123, 30_000), strict=True)]
    several = [*waves, *parts]
    for found, wave in zip(encoder(several), several, strict=True):
        assert found == pytest.approx(encoder([wave])[0], abs=1e-5)


def test_ecapa_takes_weights_alone_and_runs_no_code(hub_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "embedding_model.ckpt").write_bytes((hub_folder / "embedding_model.ckpt").read_bytes())
    Ecapa("cpu", tmp_path)
    torch.save({"embedding": SimpleNamespace()}, tmp_path / "embedding_model.ckpt")
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        Ecapa("cpu", tmp_path)


def test_ecapa_that_is_not_here_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelUnavailable, match="hf download speechbrain/spkrec-ecapa-voxceleb"):
        EcapaSimilarity().check()


@here
def test_ge2e_of_many_waves_is_that_of_each(waves: list[np.ndarray]) -> None:
    encoder = Ge2e("cpu")
    several = [*waves, waves[0][:9000], np.concatenate(waves)]
    for found, wave in zip(encoder(several), several, strict=True):
        assert found == pytest.approx(encoder([wave])[0], abs=1e-6)


@here
def test_ge2e_is_resemblyzers(waves: list[np.ndarray], tmp_path: Path) -> None:
    from resemblyzer import VoiceEncoder, preprocess_wav

    original, encoder = VoiceEncoder("cpu", verbose=False), Ge2e("cpu")
    path = tmp_path / "wave.wav"
    for wave in waves:
        audio.write(path, wave, 16_000)
        assert encoder([audio.read(path, 16_000)])[0] == pytest.approx(
            original.embed_utterance(preprocess_wav(path)), abs=1e-6
        )


@pytest.fixture
def run(small_corpus: Corpus, tmp_path: Path) -> FakeRun:
    """A run of one trial: the unconverted source, another recording of the target, and an enrolment recording."""
    source, target = small_corpus.speakers[0], small_corpus.speakers[3]
    made = [("source", source.utterances[0]), ("target", target.utterances[5]), ("copied", target.utterances[1])]
    others = small_corpus.speakers[1:3]
    conversions = [
        conversion(tmp_path, spoken.wave.numpy(), source.utterances[0], target, system, spoken=spoken, others=others)
        for system, spoken in made
    ]
    held_out = [one for speaker in small_corpus.speakers for one in speaker.utterances[8:12]]
    split = SimpleNamespace(held_out=held_out, unseen=[])
    return FakeRun(tmp_path / "scores", conversions, split, source.utterances[0].features)


@here
def test_real_recordings_are_told_apart(run: FakeRun) -> None:
    metric = Ge2eSimilarity()
    metric.check()
    scores = {(score.system, score.column): score for score in evaluate(metric, run)}
    values = {key: score.value for key, score in scores.items()}
    assert values["source", "similarity_ge2e"] < values["target", "similarity_ge2e"]
    assert values["source", "leakage_ge2e"] == pytest.approx(1.0, abs=1e-3)
    assert values["copied", "similarity_single_ge2e"] == pytest.approx(1.0, abs=1e-3)
    assert values["target", "leakage_ge2e"] < values["target", "similarity_single_ge2e"]
    assert (values["source", "accepted_ge2e"], values["target", "accepted_ge2e"]) == (0.0, 1.0)
    assert {column for _, column in scores} == metric.columns.keys()
    assert scores["target", "accepted_ge2e"].detail["equal error rate"] < 0.2


@here
def test_others_are_subtracted(run: FakeRun) -> None:
    converted, encoder = run.conversions[1], Ge2e("cpu")

    def embed(utterances: Sequence[Utterance]) -> np.ndarray:
        return encoder([audio.resample(one.wave.numpy(), one.sampling_rate, 16_000) for one in utterances]).mean(axis=0)

    own = encoder([audio.read(converted.path, 16_000)])[0]
    target, *apart = (cosine(own, embed(x)) for x in (converted.enrolment, *(s.utterances for s in converted.others)))
    scores = {score.column: score.value for score in evaluate(Ge2eSimilarity(), run) if score.system == "target"}
    assert scores["above_others_ge2e"] == pytest.approx(target - np.mean(apart), abs=1e-5)
    run.conversions = [replace(one, others=()) for one in run.conversions]
    assert "above_others_ge2e" not in {score.column for score in evaluate(Ge2eSimilarity(), run)}


@here
def test_the_table_says_which_threshold_was_asked_for(run: FakeRun) -> None:
    metric = Ge2eSimilarity()
    found = metric.verification(run)
    assert found is not None
    ((columns, text),) = metric.remarks(scores_to_frame(evaluate(metric, run)))
    assert columns == ("accepted_ge2e",)
    assert f"{found.threshold:.3f} " in text
    assert f"{found.error_rate:.1%}" in text
    assert metric.remarks(scores_to_frame([])) == []


@here
def test_a_recordings_scores_do_not_depend_on_its_neighbours(run: FakeRun) -> None:
    metric = Ge2eSimilarity()
    metric.load(torch.device("cpu"))
    together = metric.measure(run.conversions)
    metric.load(torch.device("cpu"))
    for alone, before in zip(metric.measure(run.conversions[2:]), together[2:], strict=True):
        assert [one.column for one in alone] == [one.column for one in before]
        assert [one.value for one in alone] == pytest.approx([one.value for one in before], abs=1e-5)


@here
def test_the_threshold_is_computed_once_and_needs_two_speakers(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Ge2eSimilarity().verification(run)
    assert found is not None
    assert np.mean(found.same) > np.mean(found.different)
    monkeypatch.setattr(Ge2eSimilarity, "load", lambda *arguments: pytest.fail("computed again"))
    assert Ge2eSimilarity().verification(run) == found
    run.split.held_out = [one for one in run.split.held_out if one.speaker == run.split.held_out[0].speaker]
    assert Ge2eSimilarity().verification(run) is None


def test_a_recording_is_never_compared_with_itself() -> None:
    """All embeddings are orthogonal: a cosine above zero would be that of a recording with itself."""
    vectors = np.eye(12).reshape(3, 4, 12)
    same, different = verification_cosines(list(vectors), 3)
    assert same == [0.0] * 12
    assert different == [0.0] * 24


def test_cosine_does_not_see_length() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([-2.0, 1.0, 0.0])
    assert cosine(first, 5 * first) == pytest.approx(1.0)
    assert cosine(first, second) == pytest.approx(0.0)


SCORES = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=30)


@given(SCORES, SCORES)
def test_the_equal_error_rate_balances_both_errors(same: list[float], different: list[float]) -> None:
    rate, threshold = equal_error_rate(same, different)
    refused = np.mean([score < threshold for score in same])
    accepted = np.mean([score >= threshold for score in different])
    assert rate == pytest.approx((refused + accepted) / 2)
    for other in {*same, *different}:
        gap = abs(np.mean([score < other for score in same]) - np.mean([score >= other for score in different]))
        assert abs(refused - accepted) <= gap + 1e-9


def test_perfectly_separated_speakers_have_no_error() -> None:
    rate, threshold = equal_error_rate([0.8, 0.9], [0.1, 0.3])
    assert rate == 0.0
    assert 0.3 < threshold <= 0.8


def test_the_enrolment_of_a_trial_is_apart_from_its_reference(run: FakeRun) -> None:
    for one in run.conversions:
        assert isinstance(one.target, Speaker)
        assert not {u.id for u in one.enrolment} & {u.id for u in one.target.utterances}
