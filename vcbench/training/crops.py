"""Crops of utterances, drawn in batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vcbench.api.batch import Batch
from vcbench.speech.features.pitch import normalise_log_f0
from vcbench.speech.utterance import Utterance


class CropSampler:
    """Features of many utterances in the device's memory, from which batches of random crops are cut.

    Utterances are drawn uniformly, then a start uniformly. An utterance shorter than the crop is padded and masked.
    """

    def __init__(self, utterances: Sequence[Utterance], needs: Sequence[str], device: torch.device) -> None:
        if not utterances:
            raise ValueError(
                "There is no utterance to train on: the split left none. Check the corpus and its split settings."
            )
        speakers = sorted({utterance.speaker for utterance in utterances})
        self.speaker = torch.tensor([speakers.index(utterance.speaker) for utterance in utterances])
        self.same_speaker = [torch.nonzero(self.speaker == speaker)[:, 0] for speaker in self.speaker]
        mels = [utterance.mel for utterance in utterances]
        self.lengths = torch.tensor([mel.shape[-1] for mel in mels])
        self.begins = torch.cat([torch.zeros(1, dtype=torch.long), self.lengths.cumsum(0)[:-1]])
        self.device = device
        # Frames first, so that a crop is one contiguous copy.
        self.mel = torch.cat([mel.T for mel in mels]).to(device)
        self.pitch = self.phones = None
        if "pitch" in needs:
            contours = [
                torch.stack([normalise_log_f0(utterance.log_f0, utterance.voiced), utterance.voiced.float()], -1)
                for utterance in utterances
            ]
            self.pitch = torch.cat(contours).to(device)
        if "phones" in needs:
            self.phones = torch.cat([utterance.phones for utterance in utterances]).to(device)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over all frames, (n_mels,) each."""
        return self.mel.mean(0), self.mel.std(0).clamp_min(1e-3)

    def _window(self, chosen: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positions (batch, frames) of one random crop per chosen utterance, and which of them are real."""
        room = (self.lengths[chosen] - frames).clamp_min(0)
        starts = (torch.rand(len(chosen), generator=generator) * (room + 1)).long().clamp_max(room)
        within = starts[:, None] + torch.arange(frames)
        real = within < self.lengths[chosen][:, None]
        positions = self.begins[chosen][:, None] + within.minimum(self.lengths[chosen][:, None] - 1)
        return positions.to(self.device, non_blocking=True), real.to(self.device, non_blocking=True)

    def _cut(self, values: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """(batch, channels, frames), zero where not real."""
        return (values[positions] * real[..., None]).transpose(1, 2).contiguous()

    def draw(self, size: int, frames: int, reference_frames: int, generator: torch.Generator) -> Batch:
        """One batch; `reference_frames` > 0 adds a crop of another utterance of the speaker (the same one, if alone)."""
        chosen = torch.randint(len(self.lengths), (size,), generator=generator)
        positions, real = self._window(chosen, frames, generator)
        batch = Batch(mel=self._cut(self.mel, positions, real), mask=real[:, None].float())
        batch.speaker = self.speaker[chosen].to(self.device)
        if self.pitch is not None:
            pitch = self._cut(self.pitch, positions, real)
            batch.log_f0, batch.voiced = pitch[:, :1], pitch[:, 1:]
        if self.phones is not None:
            batch.phones = self.phones[positions] * real
        if reference_frames:
            others = torch.stack([self._other(int(index), generator) for index in chosen])
            positions, real = self._window(others, reference_frames, generator)
            batch.reference, batch.reference_mask = self._cut(self.mel, positions, real), real[:, None].float()
        return batch

    def _other(self, index: int, generator: torch.Generator) -> Tensor:
        same = self.same_speaker[index]
        if len(same) == 1:
            return same[0]
        drawn = torch.randint(len(same) - 1, (1,), generator=generator)[0]
        return same[drawn + 1] if same[drawn] >= index else same[drawn]
