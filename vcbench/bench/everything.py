"""Everything that takes time in a run, measured one after the other: training and conversion by system and preset, metrics."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from vcbench.api import registry
from vcbench.base.errors import ModelUnavailable
from vcbench.base.jobs import Progress, torch_threads
from vcbench.base.machine import peak_memory, pick_device
from vcbench.base.nouns import counted
from vcbench.bench import scoring
from vcbench.bench.peaks import copy_peak, forget_peak, matrix_peak, seconds
from vcbench.bench.speed import CONVERTED, Speech, speech, time_conversion, time_training, trained_rows
from vcbench.run.config import RunConfig
from vcbench.run.run import Run
from vcbench.speech import audio
from vcbench.speech.vocoders import load_vocoder
from vcbench.speech.vocoders.vocoder import Vocoder

FLOAT = 4  # bytes
READ_RATE = 16_000  # Hz, of most metrics
ADAM = 24  # bytes a parameter and step: it and two moments are read and written, as float32


@dataclass(frozen=True)
class Sizes:
    """How much is measured: timed training steps, repeats of a conversion, recordings to score and their seconds."""

    steps: int = 10
    repeats: int = 5
    conversions: int = 64
    seconds: float = 3.0


@dataclass(frozen=True)
class Line:
    """What was timed.

    Attributes:
        work: e.g. "train flowvc".
        size: of a batch, as text.
        rate, unit: e.g. 3.1 and "steps/s".
        seconds, operations, moved: for one unit of work (a step, a second of speech, a recording): its time, the floating-point
            operations and the bytes that it needs at least; None where they are not known.
        memory: bytes at the peak.
    """

    work: str
    preset: str
    size: str
    rate: float
    unit: str
    seconds: float
    operations: float | None
    moved: float | None
    memory: int


@dataclass(frozen=True)
class Measured:
    """`peaks` has operations a second by type of number, `copied` bytes a second; `missing` says by work why it was not timed."""

    lines: tuple[Line, ...]
    peaks: dict[str, float]
    copied: float
    missing: dict[str, str]


Work = Callable[[], list[Line]]


def measure(
    configs: Mapping[str, RunConfig],
    metrics: scoring.Metrics,
    sizes: Sizes,
    threads: int,
    random_weights: bool,
    progress: Progress,
) -> Measured:
    """Measure the systems of every preset, reading and writing of audio, and the metrics.

    Args:
        configs: settings by preset, all for one device; audio and metrics are measured with the first.
        metrics: options by name; see `every_metric`.
        threads: of this process.
        random_weights: also time ECAPA and a Whisper of the size of large-v3 with random weights.
    """
    preset, first = next(iter(configs.items()))
    device = pick_device(first.device)
    missing: dict[str, str] = {}
    kinds = {"float32": torch.float32} | ({"bfloat16": torch.bfloat16} if device.type == "cuda" else {})
    with torch_threads(threads or torch.get_num_threads()):
        peaks = {name: matrix_peak(device, kind) for name, kind in kinds.items()}
        copied = copy_peak(device)
        work: list[Work] = [
            *_systems(configs, sizes, missing),
            partial(_audio, preset, first, sizes.repeats),
            *_metrics(preset, first, metrics, sizes, random_weights, missing),
        ]
        lines = []
        for done, one in enumerate(work, 1):
            forget_peak(device)
            lines += one()
            progress("bench", done, len(work), lines[-1].work)
    return Measured(tuple(lines), peaks, copied, missing)


def every_metric(config: RunConfig) -> dict[str, dict[str, Any]]:
    """The metrics of the settings, and every other that is installed, with its defaults."""
    return {name: dict[str, Any]() for name in registry.names("metrics")} | config.metrics


def _systems(configs: Mapping[str, RunConfig], sizes: Sizes, missing: dict[str, str]) -> Iterator[Work]:
    for preset, config in configs.items():
        for row in trained_rows(config):
            yield partial(_training, preset, config, row, sizes.steps)
        vocode: Vocoder | None = None
        try:
            vocode = load_vocoder(config.vocoder, config.features.mel, pick_device(config.device))
        except ModelUnavailable as error:
            missing[f"vocode, {preset}"] = str(error)
        spoken = speech(config)
        for row in trained_rows(config):
            yield partial(_conversion, preset, config, row, vocode, spoken, sizes.repeats)


def _training(preset: str, config: RunConfig, row: str, steps: int) -> list[Line]:
    found = time_training(config, row, steps)
    utterances, frames = found.batch
    batch = FLOAT * utterances * frames * config.features.mel.n_mels
    line = Line(
        f"train {row}",
        preset,
        f"{utterances} x {counted(frames, 'frame')}",
        1 / found.seconds,
        "steps/s",
        found.seconds,
        found.operations,
        ADAM * found.parameters + batch,
        peak_memory(pick_device(config.device)),
    )
    return [line]


def _conversion(
    preset: str, config: RunConfig, row: str, vocode: Vocoder | None, spoken: Speech, repeats: int
) -> list[Line]:
    """One by one, in a batch, and the vocoder's part, which is not in the others."""
    found = time_conversion(config, row, spoken, vocode, repeats)
    memory = peak_memory(pick_device(config.device))
    mel = config.features.mel
    mels = 2 * FLOAT * mel.n_mels * mel.sampling_rate / mel.hop  # of a second of speech, read and written
    weights = FLOAT * found.parameters / spoken.seconds
    batch, each = f"{CONVERTED} utterances", "1 utterance"

    def line(work: str, size: str, factor: float, operations: float | None, moved: float | None) -> Line:
        return Line(work, preset, size, factor, "RTF", factor, operations, moved, memory)

    lines = [
        line(f"convert {row}", each, found.alone, found.operations, mels + CONVERTED * weights),
        line(f"convert {row}", batch, found.together, found.operations, mels + weights),
    ]
    if found.vocoder is not None:
        lines.append(line(f"vocode {row}'s mels ({config.vocoder.kind})", batch, found.vocoder, None, None))
    return lines


def _audio(preset: str, config: RunConfig, repeats: int) -> list[Line]:
    """What a thread beside the device would save: to read recordings for the metrics, and to write conversions."""
    rate, device = config.features.mel.sampling_rate, torch.device("cpu")
    spoken = speech(config)
    with tempfile.TemporaryDirectory(prefix="vcbench-") as folder:
        files = {Path(folder) / f"{index}.flac": one.wave.numpy() for index, one in enumerate(spoken.sources)}

        def write() -> None:
            for path, wave in files.items():
                audio.write(path, wave, rate)

        def read() -> None:
            for path in files:
                audio.read(path, READ_RATE)

        work = {"write FLAC": write, f"read FLAC to {READ_RATE // 1000} kHz": read}
        factors = {name: seconds(one, repeats, device) / spoken.seconds for name, one in work.items()}
    size = f"{CONVERTED} utterances"
    return [
        Line(name, preset, size, factor, "RTF", factor, None, None, peak_memory(device))
        for name, factor in factors.items()
    ]


def _metrics(
    preset: str,
    config: RunConfig,
    metrics: scoring.Metrics,
    sizes: Sizes,
    random_weights: bool,
    missing: dict[str, str],
) -> Iterator[Work]:
    ready, lacking = scoring.find_ready(metrics)
    missing |= {f"score {name}": reason for name, reason in lacking.items()}
    for name, options in ready.items():
        yield partial(_scoring, preset, config, name, options, sizes)
    for name in ("speaker_similarity_ecapa", "word_error_rate") if random_weights else ():
        yield partial(_scoring, preset, config, name, None, sizes)


def _scoring(preset: str, config: RunConfig, name: str, options: dict[str, Any] | None, sizes: Sizes) -> list[Line]:
    """Without options, with random weights."""
    with tempfile.TemporaryDirectory(prefix="vcbench-") as folder:
        run = Run(Path(folder), config)
        if options is None:
            options = scoring.with_random_weights(run.folder, sizes.seconds, run.device)[name]
            work = f"score {registry.row_name(name)} (random weights of the real sizes)"
        else:
            work = f"score {registry.row_name(name)}"
        made = scoring.recordings(run, sizes.conversions, sizes.seconds)
        forget_peak(run.device)
        cost = scoring.time_metric(name, options, made, run.device.type, lambda *_: None)
        memory = peak_memory(run.device)
        each = cost.scoring / sizes.conversions
        operations = _operations(name, options, made, run.device)
    line = Line(work, preset, f"{sizes.seconds:g} s", 60 / each, "utterances/min", each, operations, None, memory)
    return [line]


def _operations(name: str, options: dict[str, Any], made: Sequence[Any], device: torch.device) -> float | None:
    """Operations that PyTorch counts in scoring one recording, when what the metric keeps of its source and target is there."""
    metric = scoring.audio_metric(name, options)
    metric.load(device)
    metric.measure(made[:1])
    with FlopCounterMode(display=False) as counter:
        metric.measure(made[:1])
    metric.unload()
    return float(counter.get_total_flops()) or None
