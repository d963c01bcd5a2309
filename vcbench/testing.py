"""The conformance suite: checks of what vcbench requires of a system or a metric, for its author to run.

    from vcbench.testing import check_system
    check_system(MySystem)

Each check raises AssertionError with what is wrong, what was received and what is required. The speech is a few short
utterances of the embedded corpus.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vcbench.api.batch import collate
from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column
from vcbench.api.system import NeuralSystem, VoiceConverter
from vcbench.base.files import hash_file, hash_json
from vcbench.base.nouns import counted
from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Speaker, Utterance

TOLERANCE = 1e-3  # of log10 magnitudes: how much a batch neighbour may change by rounding


def check_system(system_class: type[Any], config: Any = None) -> None:
    """Check conversion, alone and in a batch, and for a NeuralSystem also loss, latents, saving and loading.

    Args:
        system_class: the class as it would be registered.
        config: an instance of its `Config`; by default ``Config()``.
    """
    with tempfile.TemporaryDirectory() as folder:
        utterances = speech(Path(folder))
        system = _build(system_class, config)
        _check_protocol(system)
        sources = utterances[:3]
        targets = [Speaker(one.speaker, (one,)) for one in utterances[3:6]]
        alone = [_converted(system, source, target) for source, target in zip(sources, targets, strict=True)]
        again = system.convert(sources[0], targets[0])
        _require(
            torch.equal(again, alone[0]), "convert() returned something else for the same input: seed all randomness."
        )
        if isinstance(system, NeuralSystem):
            _check_batch(system, sources, targets, alone)
            _check_training(system, utterances)
            _check_latents(system, sources[0])
            _check_checkpoint(system, sources[0], targets[0], Path(folder))


def check_metric(metric_class: type[Any], **options: Any) -> None:
    """Check columns and settings, and that an AudioMetric's values are finite and independent of order and neighbours.

    Raises:
        ModelUnavailable: its model is not on this machine.
    """
    metric = metric_class(**options)
    _require(isinstance(getattr(metric, "name", None), str), "a metric needs a `name`, a string.")
    columns = getattr(metric, "columns", {})
    _require(bool(columns), "a metric needs `columns`, a dict with at least one Column.")
    for key, column in columns.items():
        _require(isinstance(column, Column), f"columns[{key!r}] is {column!r}; it must be a vcbench.api.metric.Column.")
    hash_json(metric.settings())  # part of a cache key, so it must be JSON
    _require(callable(getattr(metric, "evaluate", None)), "a metric needs evaluate(run) -> list[Score].")
    metric.check()
    if isinstance(metric, AudioMetric):
        with tempfile.TemporaryDirectory() as folder:
            _check_measure(metric, conversions(Path(folder)))


def speech(folder: Path) -> list[Utterance]:
    """Six short utterances of six speakers of the embedded corpus, with their features."""
    store = FeatureStore(folder / "features")
    speakers = load_corpus("mini").speakers[:6]
    return [speaker.utterances[index].with_features(store) for index, speaker in enumerate(speakers)]


def conversions(folder: Path) -> list[Conversion]:
    """Unconverted recordings in the role of conversions, as input for a metric."""
    utterances = speech(folder)
    made = []
    for index, source in enumerate(utterances[:3]):
        path = folder / f"t{index}.flac"
        audio.write(path, source.wave.numpy(), source.sampling_rate)
        target = utterances[index + 3]
        made.append(
            Conversion(
                system="source",
                trial=path.stem,
                condition="all",
                path=path,
                audio_hash=hash_file(path),
                source=source,
                spoken=source,
                target=Speaker(target.speaker, (target,)),
                enrolment=(target,),
            )
        )
    return made


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _build(system_class: type[Any], config: Any) -> Any:
    if config is None and getattr(system_class, "Config", None) is not None:
        config = system_class.Config()
    if issubclass(system_class, NeuralSystem):
        torch.manual_seed(0)
        return system_class(config, MelSettings(), 0).eval()
    return system_class() if config is None else system_class(config)


def _check_protocol(system: Any) -> None:
    _require(isinstance(system, VoiceConverter), "a system needs `produces` and convert(source, target).")
    _require(system.produces in ("mel", "wave"), f'`produces` is {system.produces!r}; it must be "mel" or "wave".')


def _converted(system: Any, source: Utterance, target: Speaker) -> Tensor:
    before = source.mel.clone()
    with torch.inference_mode():
        result = system.convert(source, target)
    _require(
        isinstance(result, Tensor), f"convert() returned a {type(result).__name__}; it must return a torch.Tensor."
    )
    _require(bool(torch.isfinite(result).all()), "convert() returned values that are not finite.")
    _require(torch.equal(source.mel, before), "convert() changed the source's mel in place.")
    if system.produces == "mel":
        wanted = (source.mel.shape[0],)
        _require(
            result.ndim == 2 and result.shape[0] == wanted[0] and result.shape[1] > 0,
            f"convert() returned the shape {tuple(result.shape)}; a mel is ({wanted[0]}, frames).",
        )
    else:
        _require(
            result.ndim == 1 and len(result) > 0,
            f"convert() returned the shape {tuple(result.shape)}; a wave is (samples,).",
        )
    return result.clone()


def _check_batch(
    system: NeuralSystem, sources: Sequence[Utterance], targets: Sequence[Speaker], alone: Sequence[Tensor]
) -> None:
    with torch.inference_mode():
        together = system.convert_batch(sources, targets)
    _require(
        len(together) == len(sources),
        f"convert_batch() returned {counted(len(together), 'result')} for {counted(len(sources), 'source')}.",
    )
    for source, one, other in zip(sources, alone, together, strict=True):
        _require(one.shape == other.shape, f"{source.id}: {tuple(other.shape)} in a batch, {tuple(one.shape)} alone.")
        change = float((one - other).abs().max())
        _require(
            change <= TOLERANCE,
            f"{source.id}: a batch neighbour changes the result by {change:.2g}; mask the padding.",
        )


def _check_training(system: NeuralSystem, utterances: Sequence[Utterance]) -> None:
    batch = collate(utterances[:2], system.needs)
    if system.config.training.reference_frames:
        batch.reference, batch.reference_mask = batch.mel, batch.mask
    batch.speaker = torch.zeros(2, dtype=torch.long)
    system.train()
    loss = system.loss(batch)
    system.eval()
    _require("total" in loss, f'loss() returned {sorted(loss)}; it must have "total", which is minimised.')
    _require(
        loss["total"].ndim == 0, f"loss()['total'] has the shape {tuple(loss['total'].shape)}; it must be a scalar."
    )
    _require(math.isfinite(float(loss["total"].detach())), "loss()['total'] is not finite.")
    loss["total"].backward()  # type: ignore[no-untyped-call]
    unreached = [name for name, value in system.named_parameters() if value.requires_grad and value.grad is None]
    _require(not unreached, f"the loss does not depend on {', '.join(unreached[:5])}: remove it, or freeze it.")
    system.zero_grad(set_to_none=True)


def _check_latents(system: NeuralSystem, utterance: Utterance) -> None:
    latents = system.latents(utterance)
    for name, dimensions in (("content", 2), ("activated", 2), ("speaker", 1)):
        if name in latents:
            shape = tuple(latents[name].shape)
            _require(
                len(shape) == dimensions, f"latents()[{name!r}] has the shape {shape}; it must have {dimensions} axes."
            )
    _require("content" in latents, f'latents() returned {sorted(latents)}; it must have "content".')


def _check_checkpoint(system: NeuralSystem, source: Utterance, target: Speaker, folder: Path) -> None:
    path = folder / "checkpoint.safetensors"
    system.save(path)
    loaded = type(system).load(path, system.mel_settings)
    with torch.inference_mode():
        same = torch.allclose(loaded.convert(source, target), system.convert(source, target), atol=1e-6)
    _require(same, "a saved and loaded system converts differently: register all its state as parameters or buffers.")


def _check_measure(metric: AudioMetric, made: Sequence[Conversion]) -> None:
    metric.load(torch.device("cpu"))
    try:
        together = metric.measure(made)
        backwards = list(reversed(metric.measure(list(reversed(made)))))
        alone = [metric.measure([one])[0] for one in made]
    finally:
        metric.unload()
    _require(
        len(together) == len(made),
        f"measure() returned {counted(len(together), 'result')} for {counted(len(made), 'recording')}.",
    )
    for rows in together:
        for column, value, weight, detail in rows:
            _require(column in metric.columns, f"measure() filled {column!r}; columns are {', '.join(metric.columns)}.")
            _require(math.isfinite(value), f"{column} is {value}: return no row if there is no value.")
            _require(
                math.isfinite(weight) and weight >= 0,
                f"{column} has the weight {weight}; it must be finite and not negative.",
            )
            hash_json(detail)
    for other, how in ((backwards, "in another order"), (alone, "alone")):
        for first, second in zip(together, other, strict=True):
            changed = [a[0] for a, b in zip(first, second, strict=True) if not math.isclose(a[1], b[1], abs_tol=1e-4)]
            _require(not changed, f"{', '.join(changed)}: a recording measured {how} gets a different value.")
