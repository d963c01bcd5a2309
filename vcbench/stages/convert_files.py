"""Converting a user's own recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vcbench.api import registry
from vcbench.api.checkpoint import CheckpointError, read_header
from vcbench.api.pretrained import best_one_shot, load_pretrained
from vcbench.api.system import NeuralSystem, VoiceConverter
from vcbench.base.errors import UserError, did_you_mean
from vcbench.base.machine import cache_root
from vcbench.run.run import Run
from vcbench.speech import audio
from vcbench.speech.audio_header import SUFFIXES
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.speech.vocoders import fitting, load_vocoder
from vcbench.speech.vocoders.vocoder import Vocoder
from vcbench.stages.convert import convert_waves


class Converter(NamedTuple):
    """A system that is ready to convert, with what makes features for it and waves of its mels."""

    system: VoiceConverter
    store: FeatureStore
    vocoder: Vocoder


def open_converter(folder: Path | None, row: str | None, checkpoint: Path | None) -> Converter:
    """A system that is ready to convert.

    Args:
        folder: of a run; with it, `row` is one of its systems. Without it, `row` is a system that comes trained, by default
            the best one-shot system of these.
        checkpoint: instead of both, the file of a checkpoint.

    Raises:
        UserError: these do not go together, or there is no such run, system or checkpoint.
    """
    if checkpoint is not None:
        if folder is not None or row is not None:
            raise UserError(
                "Name either --checkpoint alone, or --run and --system, or --system alone, or none of them."
            )
        return _with_vocoder(load_checkpoint(checkpoint))
    if folder is None:
        return _with_vocoder(load_pretrained(row or best_one_shot()))
    run = Run.open(folder)
    if row is None:
        raise UserError(f"Name one of the systems of {folder} with --system: {', '.join(run.systems)}.")
    if row not in run.systems:
        raise UserError(f"{folder} has no system {row!r}.{did_you_mean(row, run.systems)}")
    vocoder = load_vocoder(run.config.vocoder, run.config.features.mel, run.device)
    return Converter(run.load_system(row), run.store, vocoder)


def _with_vocoder(system: NeuralSystem) -> Converter:
    """A system that knows its mel spectrograms, on the CPU, with the default vocoder."""
    store = FeatureStore(cache_root() / "features", system.mel_settings)
    return Converter(system, store, load_vocoder(fitting(system.mel_settings), system.mel_settings, "cpu"))


def load_checkpoint(path: Path) -> NeuralSystem:
    """A system from its checkpoint alone, on the CPU."""
    name, known = read_header(path).description["system"], registry.names("systems")
    if name not in known:  # never a path of Python code: the file may be a stranger's
        raise CheckpointError(f"{path} holds the system {name!r}, which is not installed.{did_you_mean(name, known)}")
    system: NeuralSystem = registry.load("systems", name).load(path)
    return system


def convert_utterance(converter: Converter, source: Path, targets: Sequence[Path]) -> np.ndarray:
    """Samples (n,) of the source in the voice of the targets, at the converter's sampling rate."""
    system, store, vocoder = converter
    recordings = [Utterance(f"file/{path.stem}", "target", path).with_features(store) for path in targets]
    spoken = Utterance(f"file/{source.stem}", "source", source).with_features(store)
    costs = {"conversion_seconds": 0.0, "vocoder_seconds": 0.0}
    wave = convert_waves(system, [spoken], [Speaker("target", tuple(recordings))], vocoder, costs)[0]
    return wave.detach().cpu().numpy()


def planned(recordings: Sequence[Path], targets: Sequence[Path], folder: Path) -> dict[Path, Path]:
    """A FLAC file in `folder` for each recording; one that is found in a folder keeps its path below that.

    Raises:
        UserError: a path that does not exist, a folder without recordings, or two recordings with one name.
    """
    plan: dict[Path, Path] = {}
    for given in recordings:
        found = (
            sorted(path for path in given.rglob("*") if path.suffix.lower() in SUFFIXES) if given.is_dir() else [given]
        )
        if not found:
            raise UserError(f"The folder {given} has no recordings ({', '.join(SUFFIXES)}).")
        for path in found:
            inside = path.relative_to(given) if given.is_dir() else Path(path.name)
            plan[path] = folder / inside.with_suffix(".flac")
    for path in (*plan, *targets):
        if not path.is_file():
            raise UserError(f"There is no recording {path}.")
    names: dict[Path, Path] = {}
    for source, output in plan.items():
        if output in names:
            raise UserError(
                f"{names[output]} and {source} would both become {output}. Convert them to different folders."
            )
        if output.resolve() in {one.resolve() for one in plan}:
            raise UserError(f"{output} would replace a recording that is to be converted. Choose another --out-dir.")
        names[output] = source
    return plan


def convert_files(converter: Converter, source: Path, targets: Sequence[Path], output: Path) -> None:
    """Convert one recording, and write FLAC or WAV."""
    if output.suffix.lower() not in (".flac", ".wav"):
        raise UserError(f"-o {output}: the output is FLAC or WAV; end its name in .flac or .wav.")
    audio.write(output, convert_utterance(converter, source, targets), converter.store.sampling_rate)
