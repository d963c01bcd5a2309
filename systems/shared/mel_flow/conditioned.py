"""What systems share that are conditioned on phones, melody, voicing and a speaker: settings, mel and speaker embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from vcbench.api.batch import Batch, collate
from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.api.system import NeuralSystem
from vcbench.speech.features.settings import INVENTORY, MelSettings
from vcbench.speech.utterance import Speaker, Utterance

from .speaker import GE2E_CHANNELS, SpeakerEncoder, ge2e_embedding, ge2e_table, unit

SMALLEST_DEVIATION = 0.5  # log10; a nearly constant band is not scaled up to unit deviation


class ConversionError(ValueError):
    """The conversion of a trial gave no usable result."""


class ConditionedConfig(SystemConfig):
    """
    Attributes:
        kernel: width of the networks' convolutions in frames, odd.
        phones: size of the phone inventory; index 0 is padding and unknown.
        use_pitch, use_voicing, use_speaker: which parts the condition has besides phones.
        speaker_embedding: "learned" with the system, or "ge2e", pretrained (Resemblyzer).
        speaker_channels: channels of the learned speaker embedding.
        speaker_width: hidden channels of the learned speaker encoder.
    """

    kernel: int = Field(5, ge=1)
    phones: int = Field(len(INVENTORY), ge=1)
    use_pitch: bool = True
    use_voicing: bool = True
    use_speaker: bool = True
    speaker_embedding: Literal["learned", "ge2e"] = "learned"
    speaker_channels: int = Field(128, ge=1)
    speaker_width: int = Field(192, ge=1)
    training: TrainingSettings = TrainingSettings(
        steps=100_000, frames=128, learning_rate=5e-4, schedule="one-cycle", reference_frames=128
    )

    @property
    def speaker_encoder(self) -> str | None:
        return self.speaker_embedding if self.use_speaker and self.speaker_embedding != "learned" else None

    @property
    def learns_speaker(self) -> bool:
        return self.use_speaker and self.speaker_embedding == "learned"

    @property
    def embedding_channels(self) -> int:
        """Channels of the speaker embedding, learned or pretrained."""
        return self.speaker_channels if self.speaker_embedding == "learned" else GE2E_CHANNELS

    @model_validator(mode="after")
    def _is_centred(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that each frame is centred; received {self.kernel}")
        return self

    @model_validator(mode="after")
    def _has_references(self) -> Self:
        if self.learns_speaker and self.training.reference_frames < 1:
            raise ValueError(
                "the learned speaker encoder needs another recording of the speaker in training: set "
                "training.reference_frames (e.g. 128), or use_speaker = false"
            )
        return self


class ConditionedSystem(NeuralSystem):
    """A system that normalises its mel per band and embeds speakers. A subclass sets `speaker` if its config `learns_speaker`."""

    needs = ("mel", "pitch", "phones")
    config: ConditionedConfig
    speaker: SpeakerEncoder
    mel_mean: Tensor
    mel_deviation: Tensor

    def __init__(self, config: ConditionedConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__(config, mel, seed)
        self.register_buffer("mel_mean", torch.zeros(mel.n_mels, 1))
        self.register_buffer("mel_deviation", torch.ones(mel.n_mels, 1))
        # By `training`: a row per speaker of the training and of the held-out batches; before a training, of one speaker.
        self.ge2e_tables: dict[bool, Tensor] = dict.fromkeys((True, False), torch.zeros(1, GE2E_CHANNELS))

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor, batch: Batch) -> None:
        self.mel_mean.copy_(mel_mean[:, None])
        self.mel_deviation.copy_(mel_deviation[:, None].clamp_min(SMALLEST_DEVIATION))

    def before_training(self, training: Sequence[Utterance], held_out: Sequence[Utterance]) -> None:
        if self.config.use_speaker and not self.config.learns_speaker:
            self.ge2e_tables |= {
                mode: ge2e_table(utterances).to(self.device)
                for mode, utterances in ((True, training), (False, held_out))
                if utterances
            }

    def normalise(self, mel: Tensor, mask: Tensor) -> Tensor:
        """Normalise a log10 mel per band, with the training corpus's mean and deviation."""
        return (mel - self.mel_mean) / self.mel_deviation * mask

    def denormalise(self, normalised: Tensor, mask: Tensor) -> Tensor:
        """The inverse of `normalise`; masked frames are 0."""
        return (normalised * self.mel_deviation + self.mel_mean) * mask

    def _training_speaker(self, batch: Batch) -> Tensor | None:
        """(batch, channels) from another recording of the speaker, so that it cannot leak content."""
        if not self.config.use_speaker:
            return None
        if not self.config.learns_speaker:
            return self.ge2e_tables[self.training].to(self.device)[batch.speaker]
        if batch.reference is None or batch.reference_mask is None:
            raise ValueError("The batch has no reference recordings: set training.reference_frames, e.g. to 128.")
        return self.speaker(self.normalise(batch.reference, batch.reference_mask), batch.reference_mask)

    def _speaker(self, groups: Sequence[Sequence[Utterance]]) -> Tensor | None:
        """(groups, channels): the mean embedding of each group, a group being recordings of one speaker."""
        if not self.config.use_speaker:
            return None
        if not self.config.learns_speaker:
            return torch.stack([ge2e_embedding(group) for group in groups]).to(self.device)
        recordings = collate([utterance for group in groups for utterance in group], ("mel",), self.device)
        embeddings = self.speaker(self.normalise(recordings.mel, recordings.mask), recordings.mask)
        return torch.stack([unit(group.mean(0)) for group in embeddings.split([len(group) for group in groups])])


def refuse_without_recordings(targets: Sequence[Speaker]) -> None:
    """
    Raises:
        ConversionError: a target has no recordings.
    """
    for target in targets:
        if not target.utterances:
            raise ConversionError(f"Target speaker {target.id!r} has no reference recording; give at least one.")
