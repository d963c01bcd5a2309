"""CopyCat: a variational autoencoder with a temporal bottleneck, between phones and a target speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vcbench.api.batch import Batch, collate
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker, Utterance

from ..shared.mel_flow.condition import POSITIONS, phone_positions, required
from ..shared.mel_flow.conditioned import ConditionedSystem, refuse_without_recordings
from ..shared.mel_flow.speaker import SpeakerEncoder
from .networks import Decoder, Gaussian, PhoneEncoder, ReferenceEncoder
from .settings import CopyCatConfig


class Frames(NamedTuple):
    """What each frame says besides its sound: of the reference encoder's input, and of the decoder's."""

    encoder: list[Tensor]
    decoder: list[Tensor]


class CopyCat(ConditionedSystem):
    """Copies what phones do not say from the source's mel, through a bottleneck in time, to the target's voice. See README.md."""

    name = "copycat"
    summary = (
        "CopyCat (Karlapati et al. 2020): a variational reference encoder with a bottleneck in time, and a parallel "
        "decoder from phones, latent and target speaker."
    )
    Config = CopyCatConfig
    config: CopyCatConfig
    steps: Tensor

    def __init__(self, config: CopyCatConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        spoken = config.phone_channels + POSITIONS
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.phones = PhoneEncoder(config.phones, config.phone_channels, config.phone_layers, config.kernel)
            self.reference_encoder = ReferenceEncoder(config, mel.n_mels, spoken)
            self.decoder = Decoder(config, mel.n_mels, spoken + config.use_pitch + config.use_voicing)
            if config.learns_speaker:
                self.speaker = SpeakerEncoder(mel.n_mels, config.speaker_width, config.speaker_channels)
        self.register_buffer(
            "steps", torch.zeros((), dtype=torch.long)
        )  # training steps, on which the annealing depends

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`reconstruction`, L1 in standard deviations, and `divergence`, nats, both per value of the normalised mel.

        In training, decodes a sample of the posterior and counts a step; otherwise decodes the posterior's mean.
        """
        frames, speaker = self._frames(batch), self._training_speaker(batch)
        normalised, values = self.normalise(batch.mel, batch.mask), batch.mask.sum() * batch.mel.shape[1]
        posterior = self.reference_encoder(normalised, batch.mask, frames.encoder, speaker)
        if self.training:
            self.steps.add_(1)
        latent = posterior.sample() if self.training else posterior.mean
        decoded = self.decoder(latent, batch.mask, frames.decoder, speaker)
        reconstruction = (decoded - normalised).abs().sum() / values
        divergence = posterior.divergence() / values
        weight = self.config.divergence_weight * (self.steps / self.config.annealing_steps).clamp(max=1)
        total = reconstruction + weight * divergence
        return {"total": total, "reconstruction": reconstruction, "divergence": divergence}

    def _frames(self, batch: Batch) -> Frames:
        phones = required(batch.phones, "phones")
        spoken = [self.phones(phones, batch.mask), phone_positions(phones, batch.mask)]
        sung = [required(batch.log_f0, "log_f0")] if self.config.use_pitch else []
        voiced = [required(batch.voiced, "voiced")] if self.config.use_voicing else []
        return Frames(spoken, [*spoken, *sung, *voiced])

    def _posterior(self, batch: Batch, frames: Frames, sources: Sequence[Utterance]) -> tuple[Gaussian, Tensor | None]:
        """Posterior of utterances given their own speakers, and the embeddings of these."""
        speaker = self._speaker([[source] for source in sources])
        normalised = self.normalise(batch.mel, batch.mask)
        return self.reference_encoder(normalised, batch.mask, frames.encoder, speaker), speaker

    @torch.no_grad()
    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        """Converted log10 mels (n_mels, frames), decoded from the posterior's mean.

        Raises:
            ConversionError: a target has no recordings.
        """
        refuse_without_recordings(targets)
        batch = collate(sources, self.needs, self.device)
        frames = self._frames(batch)
        posterior, _ = self._posterior(batch, frames, sources)
        target = self._speaker([target.utterances for target in targets])
        decoded = self.decoder(posterior.mean, batch.mask, frames.decoder, target)
        mels = self.denormalise(decoded, batch.mask)
        return [mel[:, :length].contiguous() for mel, length in zip(mels, batch.lengths.tolist(), strict=True)]

    @torch.no_grad()
    def latents(self, utterance: Utterance) -> dict[str, Tensor]:
        """ "content" (latent_channels, ceil(frames / rate)), the posterior's mean; "speaker" (channels,), only with a speaker
        condition."""
        batch = collate([utterance], self.needs, self.device)
        posterior, speaker = self._posterior(batch, self._frames(batch), [utterance])
        latents = {"content": posterior.mean[0]}
        return latents if speaker is None else {**latents, "speaker": speaker[0]}
