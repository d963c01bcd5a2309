"""What scoring costs on this machine, by metric.

Recordings of the embedded corpus stand in for conversions: a speaker's utterances, concatenated and cut into pieces of a
given length. Each conversion has its own source, as in a run of one system, so the times include what a metric computes from
sources; conversions to the same target share the enrolment. Metrics run as in a run: on a CPU one thread each, several at once.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch

from vcbench.api import registry
from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import ALL
from vcbench.base.errors import ModelUnavailable
from vcbench.base.jobs import Job, Progress, run_jobs
from vcbench.bench.peaks import finish
from vcbench.run import config
from vcbench.run.config import RunConfig
from vcbench.run.run import Run
from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.stages.score_cache import CHUNK

Metrics = Mapping[str, dict[str, Any]]
TOKENS = 4.0  # of Whisper per second of English speech
PROMPT = 4  # tokens that its decoder starts from
END = 50257  # its end-of-text token in the multilingual vocabulary

LARGE_V3 = {
    "n_mels": 128, "n_audio_ctx": 1500, "n_audio_state": 1280, "n_audio_head": 20, "n_audio_layer": 32, "n_vocab": 51866,
    "n_text_ctx": 448, "n_text_state": 1280, "n_text_head": 20, "n_text_layer": 32,
}  # fmt: skip


class Cost(NamedTuple):
    """Seconds to load a metric's model and score the first conversion (which imports packages), and to score all conversions."""

    loading: float
    scoring: float


def score(
    settings: RunConfig, conversions: int, seconds: float, random_weights: bool, progress: Progress
) -> tuple[list[tuple[str, ...]], dict[str, str]]:
    """Rows of (metric, seconds to load, to score all, to score one, conversions per minute, real-time factor); and, by metric, why
    it was not timed.

    The last row is for all metrics together, from the start of the first process to the end of the last. A metric that scores
    systems instead of recordings has no row.

    Args:
        conversions: their number; each has `seconds` seconds.
        random_weights: time ECAPA and a Whisper of the size of large-v3, with random weights, instead of the settings' metrics.
    """
    with tempfile.TemporaryDirectory(prefix="vcbench-") as name:
        run = Run(Path(name), settings)
        metrics = with_random_weights(run.folder, seconds, run.device) if random_weights else settings.metrics
        ready, missing = find_ready(metrics)
        made = recordings(run, conversions, seconds)
        jobs = [
            Job(
                metric,
                time_metric,
                {"name": metric, "options": options, "made": made, "device": run.device.type},
                alone=True,
            )
            for metric, options in ready.items()
        ]
        started = perf_counter()
        costs: dict[str, Cost] = run_jobs(jobs, run.workers, run.threads, progress)
        wall = perf_counter() - started
    rows = [
        (registry.row_name(metric), f"{cost.loading:.1f}", *_figures(cost.scoring, conversions, seconds))
        for metric, cost in ((metric, costs[metric]) for metric in ready)
    ]
    together = (f"together, {min(run.workers, len(jobs))} at once", "", *_figures(wall, conversions, seconds))
    return [*rows, together] if jobs else [], missing


def find_ready(metrics: Metrics) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Metrics that can score recordings here, and why the others cannot."""
    ready, missing = {}, {}
    for name, options in metrics.items():
        metric = config.build_metric(name, options)
        if isinstance(metric, AudioMetric):
            try:
                metric.check()
                ready[name] = options
            except ModelUnavailable as error:
                missing[registry.row_name(name)] = str(error)
    return ready, missing


def _figures(taken: float, conversions: int, seconds: float) -> tuple[str, ...]:
    each = taken / conversions
    return f"{taken:.3f}", f"{each:.4f}", f"{60 / each:.0f}", f"{each / seconds:.4f}"


def audio_metric(name: str, options: dict[str, Any]) -> AudioMetric:
    metric = config.build_metric(name, options)
    assert isinstance(metric, AudioMetric)  # `find_ready` gives no other
    return metric


def time_metric(name: str, options: dict[str, Any], made: Sequence[Conversion], device: str, progress: Any) -> Cost:
    """What it costs to score `made` by one metric, in chunks as in a run."""
    metric = audio_metric(name, options)
    started = perf_counter()
    metric.load(torch.device(device))
    metric.measure(made[:1])
    loaded = perf_counter()
    for begin in range(0, len(made), CHUNK):
        metric.measure(made[begin : begin + CHUNK])
        progress(min(begin + CHUNK, len(made)), len(made))
    finish(torch.device(device))
    ended = perf_counter()
    metric.unload()
    return Cost(loaded - started, ended - loaded)


def recordings(run: Run, count: int, seconds: float) -> list[Conversion]:
    """Recordings of the embedded corpus, written to the run's folder, as conversions of other speakers' recordings."""
    speakers = load_corpus("mini").speakers
    store = FeatureStore(run.folder / "features", run.config.features.mel, run.config.features.pitch)
    enrolment, each = run.config.trials.enrolment, math.ceil(count / len(speakers))
    pieces = [_pieces(one, enrolment + 2 * each, seconds, run.folder / "recordings", store) for one in speakers]
    made = []
    for index in range(count):
        turn, voice = divmod(index, len(speakers))
        target = pieces[voice]
        source = pieces[(voice + len(speakers) // 2) % len(speakers)][enrolment + each + turn]
        made.append(
            Conversion(
                system="mini",
                trial=f"t{index:04d}",
                condition=ALL,
                path=target[enrolment + turn].path,
                audio_hash="",  # nothing is cached
                source=source,
                spoken=source,
                target=Speaker(speakers[voice].id, tuple(target[:1])),
                enrolment=tuple(target[:enrolment]),
                reference=target[0],  # other words, but as long
            )
        )
    return made


def _pieces(speaker: Speaker, count: int, seconds: float, folder: Path, store: FeatureStore) -> list[Utterance]:
    """A speaker's utterances, concatenated (and repeated if necessary) and cut into pieces of equal length."""
    rate = store.sampling_rate
    size = round(seconds * rate)
    waves: list[np.ndarray] = []
    for utterance in speaker.utterances:
        if sum(map(len, waves)) < count * size:
            waves.append(audio.read(utterance.path, rate, utterance.span))
    speech = np.concatenate(waves)
    made = []
    for index in range(count):
        path = folder / speaker.id / f"{index:04d}.flac"
        audio.write(path, np.take(speech, np.arange(index * size, (index + 1) * size), mode="wrap"), rate)
        made.append(Utterance(f"{speaker.id}/{index:04d}", speaker.id, path, features=store))
    return made


def with_random_weights(
    folder: Path, seconds: float, device: torch.device, whisper: Mapping[str, int] = LARGE_V3
) -> Metrics:
    """Settings of ECAPA and Whisper large-v3, with files of random weights in `folder`: for timing, never for scores.

    Args:
        seconds: of speech per recording. The Whisper model ends its texts after as many tokens as speech of that length has.
        whisper: the model's sizes, named as in openai-whisper's checkpoints.
    """
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    ecapa = ECAPA_TDNN(80, channels=[1024, 1024, 1024, 1024, 3072], attention_channels=128, lin_neurons=192)
    torch.save(ecapa.state_dict(), folder / "embedding_model.ckpt")
    model = Whisper(ModelDimensions(**whisper))
    with torch.no_grad():
        positions = model.decoder.positional_embedding.zero_()
        last = PROMPT + math.ceil(TOKENS * min(seconds, 30.0)) - 1
        positions[last:] = 100 * model.decoder.token_embedding.weight[END]  # far beyond what the layers add
    state = {name: value.half() for name, value in model.state_dict().items()}
    torch.save({"dims": dict(whisper), "model_state_dict": state}, folder / "large-v3.pt")
    recogniser = {
        "engine": "openai-whisper", "model": "large-v3", "path": str(folder),
        "precision": "float16" if device.type == "cuda" else "float32",
    }  # fmt: skip
    return {"speaker_similarity_ecapa": {"path": str(folder)}, "word_error_rate": recogniser}
