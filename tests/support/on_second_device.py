"""Steps, crops and conversions of every system on a second device; prints what went wrong as JSON. See test_device.py."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from vcbench.systems.shared.mel_flow.system import MelFlow
from vcbench.systems.shared.one_shot import OneShotSystem

from tests.support.second_device import DEVICE, OneDevice, place, place_module, second_device
from tests.support.stops import NoStops
from tests.support.tiny_systems import built, names
from vcbench.api.batch import Batch, collate
from vcbench.api.system import NeuralSystem
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.training.cost import random_batch
from vcbench.training.crops import CropSampler
from vcbench.training.step import Step

NEEDS = ("mel", "pitch", "phones")
FRAMES = 16


class Features:
    """Of an utterance of 40 frames."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.mels = torch.randn(80, 40, generator=generator) - 2

    def mel(self, utterance: Utterance) -> torch.Tensor:
        return self.mels

    def pitch(self, utterance: Utterance) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.full((40,), 5.0), torch.ones(40, dtype=torch.bool)

    def phones(self, utterance: Utterance) -> torch.Tensor:
        return torch.arange(40) // 4


def utterances() -> list[Utterance]:
    return [Utterance(name, name[0], Path(name), features=Features()) for name in ("a1", "a2", "b1", "b2")]


def step(system: NeuralSystem, padded: bool) -> None:
    batch = random_batch(system.config.training, system.mel_settings.n_mels, torch.device("cpu"))
    batch.whole = not padded
    with second_device():
        place(batch)
        place_module(system.train())
        take = Step(system, system.config.training)
        with NoStops(), OneDevice():
            losses = take(batch)
    assert take.optimizer.defaults["fused"]
    assert {value.device for value in losses.values()} == {DEVICE}


def convert(system: OneShotSystem) -> None:
    """From whole utterances on the host."""
    with second_device():
        place_module(system.eval())
        mels = system.convert_batch(utterances()[:2], [Speaker("b", tuple(utterances()[2:]))] * 2)
    assert {mel.device for mel in mels} == {DEVICE}


def there_and_back(system: MelFlow) -> None:
    """A flow's conversion, without the reading of values that tells whether the result is sound."""
    batch = collate(utterances()[:2], NEEDS)
    with second_device():
        place(batch)
        place_module(system.eval())
        with NoStops(), OneDevice():
            projected = system._projected(batch, system._training_speaker(batch_with_reference(batch)))
            mel = system.decode(system.encode(batch.mel, batch.mask, projected), batch.mask, projected)
    assert mel.device == DEVICE


def batch_with_reference(batch: Batch) -> Batch:
    batch.reference, batch.reference_mask = batch.mel, batch.mask
    return batch


def crops() -> None:
    sampler = CropSampler(utterances(), NEEDS, torch.device("cpu"))
    sampler.device = DEVICE
    with second_device():
        place(sampler)
        with NoStops(), OneDevice():
            batch = sampler.draw(3, 20, 10, None)  # no generator can be made for a device that is not there
    assert {value.device for value in vars(batch).values() if isinstance(value, torch.Tensor)} == {DEVICE}


def small(name: str) -> NeuralSystem:
    """With short crops: each frame of a recurrent layer is a handful of operators here."""
    return built(name, {"training": {"frames": FRAMES}})


def cases() -> Iterator[tuple[str, Callable[..., None], tuple[Any, ...]]]:
    yield "crops", crops, ()
    for name in names():
        yield f"{name}: step", step, (small(name), False)
        yield f"{name}: padded step", step, (small(name), True)
        system = small(name)
        if isinstance(system, OneShotSystem):
            yield f"{name}: convert", convert, (system,)
        if isinstance(system, MelFlow):
            yield f"{name}: there and back", there_and_back, (system,)


def main() -> None:
    warnings.simplefilter("ignore")
    found = {}
    for name, check, arguments in cases():
        found[name] = ""
        try:
            check(*arguments)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))


if __name__ == "__main__":
    main()
