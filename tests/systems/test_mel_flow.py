"""The parts of the conditioned flow: a frame's position in its phone, the condition, the speaker, the settings."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from vcbench.systems.shared.mel_flow.condition import ConditionEncoder, phone_positions
from vcbench.systems.shared.mel_flow.settings import MelFlowConfig
from vcbench.systems.shared.mel_flow.speaker import SpeakerEncoder, unit

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings

SWITCHES = ("use_phones", "use_pitch", "use_voicing", "use_speaker")


def config(**changes) -> MelFlowConfig:
    small = {
        "steps": 2,
        "width": 8,
        "layers": 2,
        "kernel": 3,
        "condition_channels": 12,
        "condition_layers": 2,
        "phones": 6,
    }
    training = TrainingSettings(steps=1, reference_frames=8)
    return MelFlowConfig(**{**small, "speaker_channels": 5, "speaker_width": 8, "training": training, **changes})


def batch(sizes: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    mask = (torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]).float()[:, None]
    shape = (len(sizes), 1, max(sizes))
    return Batch(
        mel=torch.randn(len(sizes), 4, max(sizes), generator=generator) * mask,
        mask=mask,
        log_f0=torch.randn(shape, generator=generator) * mask,
        voiced=torch.randint(0, 2, shape, generator=generator) * mask,
        phones=torch.randint(0, 6, (len(sizes), max(sizes)), generator=generator) * mask[:, 0].long(),
    )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=8), st.integers(0, 4))
def test_positions_run_from_begin_to_end_of_every_phone(runs, padding):
    phones = torch.cat([torch.full((length,), phone) for phone, length in runs])
    frames = len(phones)
    padded = torch.nn.functional.pad(phones, (0, padding))[None]
    mask = (torch.arange(frames + padding) < frames).float()[None, None]
    position, squared, length = phone_positions(padded, mask)[0]
    begin = 0
    while begin < frames:
        end = begin
        while end < frames and phones[end] == phones[begin]:
            end += 1
        expected = (2 * (torch.arange(end - begin) + 0.5)) / (end - begin) - 1
        assert torch.allclose(position[begin:end], expected, atol=1e-6)
        assert torch.allclose(length[begin:end].exp(), torch.tensor(float(end - begin)), rtol=1e-5)
        begin = end
    assert torch.equal(squared, position.square())
    assert not position[frames:].any()
    assert not length[frames:].any()


@pytest.mark.parametrize("switched_off", [*[(name,) for name in SWITCHES], SWITCHES])
def test_what_is_switched_off_changes_nothing_and_what_is_on_does(switched_off):
    torch.manual_seed(0)
    settings = config(**dict.fromkeys(switched_off, False))
    encoder = ConditionEncoder(settings, 5)
    inputs, speaker = batch([9, 6]), torch.randn(2, 5)
    before = encoder(inputs, speaker)
    for switch, name in zip(SWITCHES, ("phones", "log_f0", "voiced", None), strict=True):
        changed, other = batch([9, 6]), speaker
        if name is None:
            other = speaker + 1
        else:
            setattr(changed, name, (getattr(changed, name) + 1) % 6)
        assert torch.equal(encoder(changed, other), before) == (switch in switched_off)


def test_a_switched_off_part_need_not_be_given_and_a_needed_one_must():
    inputs = batch([4])
    inputs.phones = inputs.log_f0 = inputs.voiced = None
    off = config(**dict.fromkeys(SWITCHES, False))
    assert ConditionEncoder(off, 5)(inputs, None).shape == (1, 12, 2)
    with pytest.raises(ValueError, match="no log_f0"):
        ConditionEncoder(config(), 5)(inputs, torch.zeros(1, 5))


def test_the_condition_does_not_depend_on_batch_neighbours():
    torch.manual_seed(0)
    encoder, speaker = ConditionEncoder(config(condition_layers=3), 5), torch.randn(2, 5)
    both, first = batch([7, 12]), batch([7, 12])
    first = Batch(*(value[:1, ..., :7] for value in (first.mel, first.mask, first.log_f0, first.voiced, first.phones)))
    torch.testing.assert_close(encoder(both, speaker)[:1, :, :4], encoder(first, speaker[:1]))


def test_the_speaker_embedding_has_one_norm_at_any_length_and_ignores_padding():
    torch.manual_seed(0)
    encoder = SpeakerEncoder(4, 8, 5)
    inputs = batch([1, 2, 7, 30])
    together = encoder(inputs.mel, inputs.mask)
    torch.testing.assert_close(together.norm(dim=1), torch.full((4,), 5**0.5))
    for row, size in enumerate([1, 2, 7, 30]):
        alone = encoder(inputs.mel[row : row + 1, :, :size], inputs.mask[row : row + 1, :, :size])
        torch.testing.assert_close(together[row : row + 1], alone)
    torch.testing.assert_close(unit(3 * together), together)


def test_the_defaults_are_the_published_sizes():
    settings = MelFlowConfig(phones=41)
    assert (settings.steps, settings.layers, settings.kernel, settings.width) == (12, 4, 5, 192)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": 4}, "kernel must be odd"),
        ({"width": 0}, "greater than or equal to 1"),
        ({"temperature": -0.1}, "greater than or equal to 0"),
        ({"speaker_embedding": "ecapa"}, "'learned' or 'ge2e'"),
        ({"widht": 8}, "Extra inputs are not permitted"),
        ({"training": TrainingSettings(steps=1)}, "training.reference_frames"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        config(**changes)


def test_no_reference_is_needed_without_a_learned_speaker():
    assert config(training=TrainingSettings(steps=1), use_speaker=False).training.reference_frames == 0
    assert not config(training=TrainingSettings(steps=1), speaker_embedding="ge2e").learns_speaker


@pytest.mark.parametrize("use_energy", [True, False])
def test_the_condition_hears_loudness_only_where_it_is_asked_to(use_energy):
    torch.manual_seed(0)
    encoder = ConditionEncoder(config(use_energy=use_energy), 5)
    quiet, loud = batch([6, 4]), batch([6, 4])
    loud.mel = (loud.mel + 1) * loud.mask
    speaker = torch.ones(2, 5)
    assert torch.equal(encoder(quiet, speaker), encoder(loud, speaker)) != use_energy
