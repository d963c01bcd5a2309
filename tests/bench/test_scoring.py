"""The timed recordings are real and have the requested length, the metrics are a run's; random weights have the real models' sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch

from vcbench.bench.scoring import LARGE_V3, recordings, score, time_metric, with_random_weights
from vcbench.run import config
from vcbench.run.config import RunConfig
from vcbench.run.run import Run

SMALL = LARGE_V3 | {
    "n_audio_state": 64, "n_audio_head": 1, "n_audio_layer": 1, "n_text_state": 64, "n_text_head": 1, "n_text_layer": 1,
}  # fmt: skip


def settings(*metrics: str) -> RunConfig:
    return config.parse(config.resolve("tiny") | {"workers": 1, "metrics": {name: {} for name in metrics}})


def test_each_conversion_is_a_recording_of_its_own_with_a_source_of_its_own(tmp_path: Path) -> None:
    made = recordings(Run(tmp_path, settings()), 20, 0.7)
    heard = [soundfile.read(path)[0] for path in (*(one.path for one in made), *(one.source.path for one in made))]
    assert {len(wave) for wave in heard} == {round(0.7 * 22_050)}
    assert len({wave.tobytes() for wave in heard}) == 40
    assert all(wave.std() > 1e-3 for wave in heard)
    for one in made:
        assert one.source.speaker != one.target.id
        assert {enrolled.speaker for enrolled in one.enrolment} == {one.target.id}
        assert one.path not in {enrolled.path for enrolled in one.enrolment}


def test_a_metric_that_is_here_has_figures_and_one_that_is_not_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    chosen = settings("prosody", "speaker_similarity_ecapa", "reconstruction_error")
    progress: list[tuple[str, int, int, str]] = []
    (prosody, together), missing = score(chosen, 3, 0.7, False, lambda *now: progress.append(now))
    assert prosody[0] == "prosody"
    taken, each, a_minute, factor = map(float, prosody[2:])
    assert taken > 0
    assert each == pytest.approx(taken / 3, abs=0.05)
    assert factor == pytest.approx(each / 0.7, abs=0.01)
    assert a_minute == pytest.approx(60 / each, rel=0.2)
    assert missing.keys() == {"speaker_similarity_ecapa"}
    assert "hf download" in missing["speaker_similarity_ecapa"]
    assert together[0] == "together, 1 at once"
    assert progress == [("prosody", 3, 3, "")]


def test_random_weights_are_read_by_the_metrics_and_the_recogniser_says_as_much_as_speech_does(tmp_path: Path) -> None:
    from whisper import DecodingOptions, decode, load_model

    metrics = with_random_weights(tmp_path, 2.9, torch.device("cpu"), SMALL)
    made = recordings(Run(tmp_path, settings()), 1, 0.7)
    for name, options in metrics.items():
        cost = time_metric(name, options, made, "cpu", lambda *now: None)
        assert min(cost) > 0
    options = DecodingOptions(language="en", temperature=0.0, without_timestamps=True, fp16=False)
    spoken = decode(load_model(str(tmp_path / "large-v3.pt"), "cpu"), torch.randn(2, 128, 3000), options)
    assert [len(one.tokens) for one in spoken] == [12, 12]
    size = torch.load(tmp_path / "embedding_model.ckpt", weights_only=True)["blocks.0.conv.conv.weight"].shape
    assert size == (1024, 80, 5)
