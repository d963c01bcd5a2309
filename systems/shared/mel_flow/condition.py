"""The flow's condition for every pair of frames: phones, melody, voicing and speaker."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vcbench.api.batch import Batch

from ...layers.flow import squeeze
from .settings import MelFlowConfig

POSITIONS = 3  # channels of `phone_positions`
AVERAGE = 2.0  # log10; makes the mean over bands of speech's log magnitudes about zero


def phone_positions(phones: Tensor, mask: Tensor) -> Tensor:
    """Each frame's position in its phone: (batch, 3, frames).

    The channels are the position from -1 (the phone's start) to 1 (its end), its square, and the natural logarithm
    of the phone's length in frames. A run of equal indices is one phone.

    Args:
        phones: (batch, frames) int64.
        mask: (batch, 1, frames); padding belongs to no phone.
    """
    frames = phones.shape[-1]
    indices = torch.where(mask[:, 0] > 0, phones, -1)
    changes = indices[:, 1:] != indices[:, :-1]
    edge = changes.new_ones(len(phones), 1)
    time = torch.arange(frames, device=phones.device).expand_as(phones)
    begins = torch.where(torch.cat([edge, changes], 1), time, 0).cummax(1).values
    ends = torch.where(torch.cat([changes, edge], 1), time, frames - 1).flip(1).cummin(1).values.flip(1)
    lengths = (ends - begins + 1).to(mask)
    position = 2 * (time - begins + 0.5) / lengths - 1
    return torch.stack([position, position.square(), lengths.log()], 1) * mask


class ConditionEncoder(nn.Module):
    """Phones, melody, voicing, energy and speaker to (batch, condition_channels, pairs), at the flow's frame rate.

    Per frame, a phone embedding and a linear map of the scalars; then two frames are stacked and the speaker is added;
    then residual dilated convolutions, in which phones see their neighbours and the speaker. A part that is switched off has
    no parameters.
    """

    def __init__(self, config: MelFlowConfig, speaker_channels: int) -> None:
        super().__init__()
        channels = config.condition_channels
        self.use_phones, self.use_pitch, self.use_voicing = config.use_phones, config.use_pitch, config.use_voicing
        self.use_energy = config.use_energy
        scalars = POSITIONS * config.use_phones + config.use_pitch + config.use_voicing + config.use_energy
        self.phones = nn.Embedding(config.phones, channels) if config.use_phones else None
        # A constant extra channel keeps the layer valid when everything is switched off.
        self.scalars = nn.Conv1d(scalars + 1, channels, 1, bias=False)
        self.speaker = nn.Linear(speaker_channels, channels) if config.use_speaker else None
        self.pairs = nn.Conv1d(2 * channels, channels, 1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(channels, channels, 5, padding=2 * 2**layer, dilation=2**layer)
            for layer in range(config.condition_layers)
        )
        # Without it the condition grows until every gate of the flow is saturated, and learning from samples stops.
        self.norm = nn.LayerNorm(channels)

    def forward(self, batch: Batch, speaker: Tensor | None) -> Tensor:
        """`speaker` is (batch, speaker_channels), or None if the condition has no speaker."""
        frames = self._frames(batch)
        pairs, mask = squeeze(frames, batch.mask)
        hidden = self.pairs(pairs)
        if self.speaker is not None:
            hidden = hidden + self.speaker(speaker)[..., None]
        hidden = hidden * mask
        for block in self.blocks:
            hidden = (hidden + block(nn.functional.leaky_relu(hidden, 0.1))) * mask
        return self.norm(hidden.transpose(1, 2)).transpose(1, 2) * mask

    def _frames(self, batch: Batch) -> Tensor:
        scalars = [batch.mask]
        if self.use_pitch:
            scalars.append(required(batch.log_f0, "log_f0"))
        if self.use_voicing:
            scalars.append(required(batch.voiced, "voiced"))
        if self.use_energy:
            scalars.append((batch.mel.mean(1, keepdim=True) + AVERAGE) * batch.mask)
        if self.phones is None:
            return self.scalars(torch.cat(scalars, 1))
        phones = required(batch.phones, "phones")
        scalars.append(phone_positions(phones, batch.mask))
        return self.scalars(torch.cat(scalars, 1)) + self.phones(phones).transpose(1, 2)


def required(value: Tensor | None, name: str) -> Tensor:
    """
    Raises:
        ValueError: the batch lacks what the system is conditioned on.
    """
    if value is None:
        raise ValueError(f"The batch has no {name}, which this system is conditioned on: collate it with its `needs`.")
    return value
