"""The conditioned flow as a system: its losses, and two ways to convert."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vcbench.api.batch import Batch, collate, noise_generator
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker, Utterance

from ...layers.flow import Flow, Projected, negative_log_likelihood, squeeze, unsqueeze, whole_pairs
from ...layers.precision import full_float32
from .condition import ConditionEncoder
from .conditioned import ConditionedSystem, ConversionError, refuse_without_recordings
from .settings import MelFlowConfig
from .speaker import SpeakerEncoder

LARGEST_MEL = 10.0  # log10 magnitude; speech lies between -5 and 2, so a larger value means that the inverse exploded


class MelFlow(ConditionedSystem):
    """Base of the three flow systems, which differ only in these attributes.

    Attributes:
        reconstruction_weight: lambda in the loss (1 - lambda) NLL + lambda reconstruction.
        reconstruction_loss: "l1" or "l2".
        skip_encoding: convert by decoding a sample of the prior instead of the source's latent.
    """

    conversion_only = ("temperature", "skip_encoding")
    config: MelFlowConfig
    reconstruction_weight: float = 0.0
    reconstruction_loss: str = "l1"
    skip_encoding: bool = False

    def __init__(self, config: MelFlowConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.condition = ConditionEncoder(config, config.embedding_channels)
            self.flow = Flow(
                2 * mel.n_mels,
                config.condition_channels,
                config.steps,
                config.width,
                config.layers,
                config.kernel,
                config.dilation,
                config.log_scale_limit,
            )
            if config.learns_speaker:
                self.speaker = SpeakerEncoder(mel.n_mels, config.speaker_width, config.speaker_channels)

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor, batch: Batch) -> None:
        super().initialise(mel_mean, mel_deviation, batch)
        pairs, _ = squeeze(self._noisy(batch), batch.mask)
        self.flow.initialise(pairs, whole_pairs(batch.mask), self._projected(batch, self._training_speaker(batch)))

    def _noisy(self, batch: Batch) -> Tensor:
        normalised = self.normalise(batch.mel, batch.mask)
        return normalised + self.config.noise * torch.randn_like(normalised) * batch.mask

    def _projected(self, batch: Batch, speaker: Tensor | None) -> Projected:
        """The condition projected for every coupling, and the rotations; computed once for both directions of the flow."""
        return self.flow.project(self.condition(batch, speaker))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`nll` (nats), `bits_per_dimension` and `reconstruction` (in standard deviations), per value of the normalised mel."""
        projected = self._projected(batch, self._training_speaker(batch))
        losses, total = {}, torch.zeros((), device=self.device)
        if self.reconstruction_weight < 1:
            nats, values = self.likelihood(self._noisy(batch), batch.mask, projected)
            losses["nll"] = nats.sum() / values.sum()
            losses["bits_per_dimension"] = losses["nll"].detach() / math.log(2)
            total = total + (1 - self.reconstruction_weight) * losses["nll"]
        if self.reconstruction_weight > 0:
            losses["reconstruction"] = self.reconstruction(batch, projected)
            total = total + self.reconstruction_weight * losses["reconstruction"]
        return {"total": total, **losses}

    def likelihood(self, normalised: Tensor, mask: Tensor, projected: Projected) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood (batch,) in nats of the normalised mel, and the number of values, (batch,).

        Only values in whole pairs of frames count: if the number of frames is odd, the last one is left out.
        """
        pairs, _ = squeeze(normalised, mask)
        pair_mask = whole_pairs(mask)
        latent, log_determinant = self.flow(pairs * pair_mask, pair_mask, projected)
        values = pair_mask.sum((1, 2)) * latent.shape[1]
        return negative_log_likelihood(latent, pair_mask, log_determinant), values

    def reconstruction(self, batch: Batch, projected: Projected) -> Tensor:
        """Mean distance between the mel and a sample of the prior decoded with the utterance's own condition."""
        latent = torch.randn_like(squeeze(batch.mel, batch.mask)[0])
        difference = self._decode_normalised(latent, batch.mask, projected) - self.normalise(batch.mel, batch.mask)
        distances = difference.abs() if self.reconstruction_loss == "l1" else difference.square()
        return distances.sum() / (batch.mask.sum() * batch.mel.shape[1])

    def encode(self, mel: Tensor, mask: Tensor, projected: Projected) -> Tensor:
        """log10 mel (batch, n_mels, frames) -> latent (batch, 2 * n_mels, ceil(frames / 2))."""
        return self.flow(*squeeze(self.normalise(mel, mask), mask), projected)[0]

    def decode(self, latent: Tensor, mask: Tensor, projected: Projected) -> Tensor:
        """Latent -> log10 mel; `mask` (batch, 1, frames) masks the frames."""
        return self.denormalise(self._decode_normalised(latent, mask, projected), mask)

    def _decode_normalised(self, latent: Tensor, mask: Tensor, projected: Projected) -> Tensor:
        pair_mask = nn.functional.pad(mask, (0, mask.shape[-1] % 2))[..., ::2]
        return unsqueeze(self.flow.inverse(latent * pair_mask, pair_mask, projected)[0], mask)

    @property
    def exact_inverse(self) -> bool:  # type: ignore[override]
        """A latent that was encoded is decoded to what it came from."""
        return not self.skip_encoding

    @torch.no_grad()
    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        """Converted log10 mels (n_mels, frames), computed in float32 without TF32, else the inverse would not be exact.

        Raises:
            ConversionError: a target has no recordings, or a result is not finite or far outside the range of speech.
        """
        refuse_without_recordings(targets)
        batch = collate(sources, self.needs, self.device)
        lengths = batch.lengths.tolist()
        with full_float32(self.device):
            if self.skip_encoding:
                latent = self._samples(sources, targets, lengths)
            else:
                own = self._projected(batch, self._speaker([[source] for source in sources]))
                latent = self.encode(batch.mel, batch.mask, own)
            projected = self._projected(batch, self._speaker([target.utterances for target in targets]))
            mels = self.decode(latent, batch.mask, projected)
        _require_sound(mels, sources, targets)
        return [mel[:, :length] for mel, length in zip(mels, lengths, strict=True)]

    def _samples(self, sources: Sequence[Utterance], targets: Sequence[Speaker], lengths: Sequence[int]) -> Tensor:
        """Samples of the prior that depend only on the seed, the source and the target; `lengths` are frames."""
        channels, pairs = 2 * self.mel_settings.n_mels, [math.ceil(length / 2) for length in lengths]
        latent = torch.zeros(len(sources), channels, max(pairs))
        for row, (source, target, own) in enumerate(zip(sources, targets, pairs, strict=True)):
            latent[row, :, :own] = torch.randn(
                channels, own, generator=noise_generator(self.seed, source.id, target.id)
            )
        return self.config.temperature * latent.to(self.device)

    @torch.no_grad()
    def latents(self, utterance: Utterance) -> dict[str, Tensor]:
        """ "content" (2 * n_mels, ceil(frames / 2)), the latent; "speaker" (channels,), only with a speaker condition."""
        batch = collate([utterance], self.needs, self.device)
        with full_float32(self.device):
            speaker = self._speaker([[utterance]])
            latents = {"content": self.encode(batch.mel, batch.mask, self._projected(batch, speaker))[0]}
        return latents if speaker is None else {**latents, "speaker": speaker[0]}


def _require_sound(mels: Tensor, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> None:
    """Raise a ConversionError at the first of (batch, n_mels, frames) that is no speech."""
    for largest, source, target in zip(mels.abs().amax((1, 2)).tolist(), sources, targets, strict=True):
        if not largest <= LARGEST_MEL:  # NaN too
            raise ConversionError(
                f"Converting {source.id!r} to {target.id!r}: the flow's inverse exploded (largest log10 magnitude {largest:g}; at "
                f"most {LARGEST_MEL:g} is possible). Train longer or with a lower learning rate, or lower temperature or "
                "log_scale_limit."
            )
