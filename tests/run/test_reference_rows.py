"""The reference rows: untouched real recordings, and a WORLD baseline that moves F0 and vocal-tract length."""

from __future__ import annotations

import numpy as np
import pytest
import pyworld
import torch

from vcbench.run.reference_rows import ROWS
from vcbench.speech.utterance import Corpus
from vcbench.speech.world import _formant_ratio, _stretch, convert_with_world


def median_f0(wave: torch.Tensor, rate: int) -> float:
    f0, _ = pyworld.harvest(wave.double().numpy(), rate)
    return float(np.median(f0[f0 > 0]))


def test_source_and_target_are_the_recordings_themselves(small_corpus: Corpus) -> None:
    first, second = small_corpus.speakers[:2]
    arguments = (first.utterances[0], second, second.utterances[1], None)
    assert torch.equal(ROWS["source"](*arguments), first.utterances[0].wave)
    assert torch.equal(ROWS["target"](*arguments), second.utterances[1].wave)


def test_oracle_is_the_targets_recording_through_the_vocoder(small_corpus: Corpus) -> None:
    speaker = small_corpus.speakers[0]
    seen = []

    def vocode(mels: list[torch.Tensor]) -> list[torch.Tensor]:
        seen.extend(mels)
        return [torch.ones(5)]

    assert ROWS["oracle"](None, speaker, speaker.utterances[0], vocode).sum() == 5
    assert torch.equal(seen[0], speaker.utterances[0].mel)


def test_world_moves_the_register_to_the_targets(small_corpus: Corpus) -> None:
    registers = {s.id: median_f0(s.utterances[0].wave, s.utterances[0].sampling_rate) for s in small_corpus.speakers}
    low, high = min(registers, key=registers.get), max(registers, key=registers.get)
    speakers = {speaker.id: speaker for speaker in small_corpus.speakers}
    source, reference = speakers[low].utterances[0], speakers[high].utterances[1]
    converted = convert_with_world(source, (reference,))
    wanted = median_f0(reference.wave, reference.sampling_rate)
    assert converted.shape == source.wave.shape
    assert abs(np.log2(median_f0(converted, source.sampling_rate) / wanted)) < 1 / 6  # two semitones
    assert abs(np.log2(registers[low] / wanted)) > 1 / 3


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.25])
def test_the_stretch_of_the_formant_axis_is_found_again(ratio: float) -> None:
    random = np.random.default_rng(0)
    smooth = np.convolve(random.standard_normal(600), np.hanning(60), "same")[:513]
    envelope = np.exp(np.tile(smooth, (4, 1)))
    assert _formant_ratio(envelope, _stretch(envelope, ratio)) == pytest.approx(ratio, rel=0.03)
