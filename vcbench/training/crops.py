"""Crops of utterances, drawn in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from vcbench.api.batch import Batch
from vcbench.speech.features.pitch import normalise_log_f0
from vcbench.speech.utterance import Utterance


class CropSampler:
    """Features of many utterances in the device's memory, from which batches of random crops are drawn and cut there.

    Utterances are drawn uniformly, or in proportion to their frames, then a start uniformly. An utterance shorter than the
    crop is padded and masked.
    Nothing of a draw passes through the host: a GPU need not wait for it.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        needs: Sequence[str],
        device: torch.device,
        uniform: Literal["utterances", "frames"] = "utterances",
    ) -> None:
        if not utterances:
            raise ValueError(
                "There is no utterance to train on: the split left none. Check the corpus and its split settings."
            )
        self.device = device
        mels = [utterance.mel for utterance in utterances]
        lengths = torch.tensor([mel.shape[-1] for mel in mels])
        self.shortest = int(lengths.min())
        self.lengths = lengths.to(device)
        self.ends = lengths.cumsum(0).to(device)
        self.begins = self.ends - self.lengths
        self.frames = int(lengths.sum()) if uniform == "frames" else 0
        number = {speaker: index for index, speaker in enumerate(sorted({u.speaker for u in utterances}))}
        self._group([number[utterance.speaker] for utterance in utterances])
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

    def _group(self, speakers: Sequence[int]) -> None:
        """Group utterances by speaker: those of speaker s are `sorted[first[s] : first[s] + count[s]]`, and `place` says
        where among them each is."""
        speaker = torch.tensor(speakers)
        order = speaker.argsort(stable=True)
        count = torch.bincount(speaker)
        first = count.cumsum(0) - count
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order)) - first[speaker[order]]
        self.speaker, self.sorted, self.count, self.first, self.place = (
            tensor.to(self.device) for tensor in (speaker, order, count, first, place)
        )

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over all frames, (n_mels,) each."""
        return self.mel.mean(0), self.mel.std(0).clamp_min(1e-3)

    def _below(self, limits: Tensor, generator: torch.Generator) -> Tensor:
        """Uniform integers, each from 0 to below its own limit (at least 1)."""
        uniform = torch.rand(len(limits), generator=generator, device=self.device, dtype=torch.float64)
        return (uniform * limits).long().minimum(limits - 1)

    def _window(self, chosen: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positions (batch, frames) of one random crop per chosen utterance, and which of them are real."""
        lengths = self.lengths[chosen][:, None]
        starts = self._below((lengths[:, 0] - frames).clamp_min(0) + 1, generator)
        within = starts[:, None] + torch.arange(frames, device=self.device)
        return self.begins[chosen][:, None] + within.minimum(lengths - 1), within < lengths

    def _cut(self, values: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """(batch, channels, frames), zero where not real."""
        return (values[positions] * real[..., None]).transpose(1, 2).contiguous()

    def draw(self, size: int, frames: int, reference_frames: int, generator: torch.Generator) -> Batch:
        """One batch; `reference_frames` > 0 adds a crop of another utterance of the speaker (the same one, if alone).

        `generator` is one of the sampler's device.
        """
        chosen = torch.randint(self.frames or len(self.lengths), (size,), generator=generator, device=self.device)
        if self.frames:
            chosen = torch.searchsorted(self.ends, chosen, right=True)
        positions, real = self._window(chosen, frames, generator)
        batch = Batch(mel=self._cut(self.mel, positions, real), mask=real[:, None].float())
        batch.whole = frames <= self.shortest
        batch.speaker = self.speaker[chosen]
        if self.pitch is not None:
            pitch = self._cut(self.pitch, positions, real)
            batch.log_f0, batch.voiced = pitch[:, :1], pitch[:, 1:]
        if self.phones is not None:
            batch.phones = self.phones[positions] * real
        if reference_frames:
            positions, real = self._window(self._others(chosen, generator), reference_frames, generator)
            batch.reference, batch.reference_mask = self._cut(self.mel, positions, real), real[:, None].float()
        return batch

    def _others(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """For each utterance, another of its speaker, drawn uniformly; itself where it is the only one."""
        speaker, place = self.speaker[chosen], self.place[chosen]
        count = self.count[speaker]
        drawn = self._below((count - 1).clamp_min(1), generator)
        other = (drawn + (drawn >= place)).minimum(count - 1)
        return self.sorted[self.first[speaker] + other]
