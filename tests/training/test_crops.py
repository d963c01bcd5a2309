"""Crops: real speech, drawn uniformly, the same for a seed, and without a stop for a GPU."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from tests.support.stops import NoStops
from vcbench.speech.corpora.split import Split
from vcbench.speech.utterance import Utterance
from vcbench.training.crops import CropSampler

CPU = torch.device("cpu")


@dataclass
class Numbered:
    """Mels of one band that hold (utterance, frame) as one number: 1000 times the first plus the second."""

    frames: dict[str, int]

    def mel(self, utterance: Utterance) -> Tensor:
        index = list(self.frames).index(utterance.id)
        return 1000.0 * index + torch.arange(float(self.frames[utterance.id]))[None]


def sampler(uniform: Literal["utterances", "frames"] = "utterances", **frames: int) -> CropSampler:
    """Of utterances named ``speaker_number``."""
    store = Numbered(frames)
    utterances = [Utterance(n, n.split("_")[0], Path(n), features=store) for n in frames]
    return CropSampler(utterances, ("mel",), CPU, uniform)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_crops_are_real_speech_padding_is_masked_and_references_are_other_utterances(small_split: Split) -> None:
    utterances = list(small_split.training)
    crops = CropSampler(utterances, ("mel", "pitch", "phones"), torch.device("cpu"))
    longest = max(utterance.mel.shape[-1] for utterance in utterances)
    batch = crops.draw(16, longest + 10, 40, torch.Generator().manual_seed(1))
    assert (batch.mel * (1 - batch.mask) == 0).all()
    assert (batch.phones * (1 - batch.mask[:, 0]) == 0).all()
    for row in range(16):
        length = int(batch.lengths[row])
        same = [u for u in utterances if u.mel.shape[-1] == length and torch.equal(u.mel, batch.mel[row, :, :length])]
        assert len(same) == 1
        assert not torch.equal(same[0].mel[:, :40], batch.reference[row])


def even(counts: Counter[int], kinds: int) -> bool:
    return len(counts) == kinds and (kinds == 1 or chisquare(list(counts.values())).pvalue > 1e-3)


def test_utterances_starts_and_other_recordings_are_drawn_uniformly() -> None:
    crops = sampler(b_1=14, a_1=9, b_2=14, b_3=14, c_1=14, a_2=5)
    batch = crops.draw(20_000, 9, 5, seeded(0))
    first, other = batch.mel[:, 0, 0], batch.reference[:, 0, 0]
    utterance, reference = (first // 1000).int(), (other // 1000).int()
    assert even(Counter(utterance.tolist()), 6)
    assert even(Counter((first[utterance == 2] % 1000).int().tolist()), 6)  # 14 frames: starts 0 to 5
    assert even(Counter((other[reference == 0] % 1000).int().tolist()), 10)
    assert not (first[utterance == 1] % 1000).any()
    others = {0: {2, 3}, 1: {5}, 2: {0, 3}, 3: {0, 2}, 4: {4}, 5: {1}}
    for index, allowed in others.items():
        counts = Counter(reference[utterance == index].tolist())
        assert set(counts) == allowed
        assert even(counts, len(allowed))


def test_in_proportion_to_its_frames_an_utterance_of_twice_the_length_is_drawn_twice_as_often() -> None:
    batch = sampler("frames", a_1=12, b_1=6, b_2=24).draw(21_000, 6, 0, seeded(0))
    utterance = (batch.mel[:, 0, 0] // 1000).int()
    counts = Counter(utterance.tolist())
    assert chisquare([counts[index] for index in range(3)], [6_000, 3_000, 12_000]).pvalue > 1e-3
    assert even(Counter((batch.mel[utterance == 0, 0, 0] % 1000).int().tolist()), 7)  # 12 frames: starts 0 to 6


def test_frames_of_a_crop_follow_each_other_and_the_speaker_is_numbered_by_name() -> None:
    batch = sampler(b_1=14, a_1=12, b_2=5).draw(64, 8, 0, seeded(1))
    for row in range(64):
        real = int(batch.lengths[row])
        first = float(batch.mel[row, 0, 0])
        assert torch.equal(batch.mel[row, 0, :real], first + torch.arange(float(real)))
        assert not batch.mel[row, 0, real:].any()
        assert batch.speaker[row] == (0 if 1000 <= first < 2000 else 1)
    assert set(batch.lengths.tolist()) == {5, 8}


@pytest.mark.parametrize(("frames", "whole"), [(12, True), (13, False)])
def test_a_batch_says_that_all_its_frames_are_real(frames: int, whole: bool) -> None:
    assert sampler(a_1=12, a_2=30).draw(4, frames, 0, seeded(0)).whole is whole


def test_a_seed_gives_one_batch_and_another_gives_another() -> None:
    crops = sampler(a_1=40, a_2=30, b_1=20, b_2=25)
    one, again, other = (crops.draw(16, 8, 6, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(one.mel, again.mel)
    assert torch.equal(one.reference, again.reference)
    assert not torch.equal(one.mel, other.mel)


def test_a_draw_never_waits_for_the_device() -> None:
    crops = sampler(a_1=40, a_2=30, b_1=20)
    with NoStops():
        crops.draw(4, 25, 6, seeded(0))
