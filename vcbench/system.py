"""What a voice-conversion system is, and the base class of those trained here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor, nn

from vcbench.base.errors import UserError
from vcbench.base.files import hash_json
from vcbench.base.settings import Strict
from vcbench.source import source_key
from vcbench.speech.features.pitch import normalise_log_f0
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker, Utterance


@runtime_checkable
class VoiceConverter(Protocol):
    """The one protocol behind which every system stands.

    ``convert`` returns a log10 mel (n_mels, frames) where `produces` is "mel", or a wave (samples,) at the
    source's `sampling_rate` where it is "wave".
    """

    produces: Literal["mel", "wave"]

    def convert(self, source: Utterance, target: Speaker) -> Tensor: ...


class CheckpointError(UserError):
    """A checkpoint that cannot be used: truncated, of another system, or of another mel configuration."""


class TrainingSettings(Strict):
    """How the training loop runs; each system's defaults are its paper's.

    Attributes:
        frames: length of a training crop, in frames.
        weight_decay: L2 term added to the gradient, as in torch.optim.Adam.
        clip: largest gradient norm.
        schedule: "constant", or "one-cycle" (Smith and Topin 2018) with `learning_rate` as its peak.
        reference_frames: length of the crop of another utterance of the same speaker; 0 where the system needs none.
        varied_recordings: share of the training utterances that are heard under other recording conditions: with reverberation, noise
            and a microphone's colour (`vcbench.speech.conditions`).
        evaluate_every, checkpoint_every: in steps.
    """

    steps: int
    batch_size: int = 32
    frames: int = 128
    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    amsgrad: bool = False
    weight_decay: float = 0.0
    clip: float = 3.0
    schedule: Literal["constant", "one-cycle"] = "constant"
    precision: Literal["float32", "bfloat16"] = "float32"
    reference_frames: int = 0
    varied_recordings: float = Field(0.0, ge=0, le=1)
    evaluate_every: int = 200
    checkpoint_every: int = 200


class SystemConfig(Strict):
    """Base of every system's settings: strict, immutable, with a `training` table."""

    training: TrainingSettings

    @property
    def speaker_encoder(self) -> str | None:
        """Name of the pretrained speaker encoder that conditions the system; a metric must not score it by the same one."""
        return None


@dataclass
class Batch:
    """A padded batch. Padded frames are zero in every tensor and in `mask`.

    Shapes: mel (batch, n_mels, frames); mask (batch, 1, frames), 1 where real; log_f0 (batch, 1, frames), the contour
    that `normalise_log_f0` makes of a whole utterance; voiced (batch, 1, frames) 0 or 1; phones (batch, frames) int64;
    reference (batch, n_mels, reference_frames) another recording of the same speaker, with reference_mask; speaker
    (batch,) int64, index of the training speaker. What a system does not ask for in `needs` is ``None``.
    """

    mel: Tensor
    mask: Tensor
    log_f0: Tensor | None = None
    voiced: Tensor | None = None
    phones: Tensor | None = None
    reference: Tensor | None = None
    reference_mask: Tensor | None = None
    speaker: Tensor | None = None

    @property
    def lengths(self) -> Tensor:
        """(batch,) int64: real frames."""
        return self.mask[:, 0].sum(-1).long()


def pad(tensors: Sequence[Tensor], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Stack tensors (..., frames) of different lengths: (batch, ..., longest) and a mask (batch, 1, longest)."""
    longest = max(tensor.shape[-1] for tensor in tensors)
    stacked = torch.zeros(len(tensors), *tensors[0].shape[:-1], longest, dtype=tensors[0].dtype, device=device)
    mask = torch.zeros(len(tensors), 1, longest, device=device)
    for row, tensor in enumerate(tensors):
        stacked[row, ..., : tensor.shape[-1]] = tensor.to(device)
        mask[row, :, : tensor.shape[-1]] = 1
    return stacked, mask


def collate(utterances: Sequence[Utterance], needs: Sequence[str], device: torch.device | str = "cpu") -> Batch:
    """Whole utterances as one padded batch with the features in `needs` ("mel", "pitch", "phones")."""
    mel, mask = pad([utterance.mel for utterance in utterances], device)
    batch = Batch(mel=mel, mask=mask)
    if "pitch" in needs:
        contours = [normalise_log_f0(utterance.log_f0, utterance.voiced)[None] for utterance in utterances]
        batch.log_f0 = pad(contours, device)[0]
        batch.voiced = pad([utterance.voiced[None].float() for utterance in utterances], device)[0]
    if "phones" in needs:
        batch.phones = pad([utterance.phones for utterance in utterances], device)[0]
    return batch


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A checkpoint's description of itself (`NeuralSystem.description`), and its weights by name.

    Raises:
        CheckpointError: the file is not there, truncated, or no checkpoint of vcbench.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            description = json.loads((file.metadata() or {})["vcbench"])
            return description, {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a usable vcbench checkpoint ({error}). Train the system again, or name another file."
        ) from error


def noise_generator(seed: int, *names: str) -> torch.Generator:
    """A CPU generator that depends on `seed` and `names` alone, so that no batch neighbour changes a sample."""
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


class NeuralSystem(nn.Module):
    """Base of the systems that are trained here.

    A subclass sets `name`, `Config` (its ``training`` field has the paper's defaults), `needs`, `version`, and writes
    `__init__(config, mel)`, `loss`, `convert_batch`, `latents`; `initialise` where something depends on the data.
    """

    name: ClassVar[str]
    Config: ClassVar[type[SystemConfig]]
    needs: ClassVar[tuple[str, ...]] = ("mel",)  # of "mel", "pitch", "phones"
    produces: Literal["mel", "wave"] = "mel"
    version: ClassVar[int] = 1  # raise it when the same config gives other results
    conversion_only: ClassVar[tuple[str, ...]] = ()  # settings that training does not read

    def __init__(self, config: SystemConfig, mel: MelSettings, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.mel_settings = mel
        self.seed = seed

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def initialise(self, mel_mean: Tensor, mel_deviation: Tensor, batch: Batch) -> None:
        """Called once before the first step: training corpus statistics (n_mels,), and a first batch."""

    @classmethod
    def published(cls, config: Any, n_mels: int) -> nn.Module | None:
        """The same model as its published code has it, with a `loss` of its own; what speed is measured against."""
        return None

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name; "total" is what is minimised."""
        raise NotImplementedError

    def convert_batch(self, sources: Sequence[Utterance], targets: Sequence[Speaker]) -> list[Tensor]:
        """Converted mels (n_mels, frames), one per source; the same as converting each alone."""
        raise NotImplementedError

    def latents(self, utterance: Utterance) -> dict[str, Tensor]:
        """For the speaker probe: "content" (channels, frames); where there is one "speaker" (channels,); and where an activation
        guides the content "activated" (channels, frames), what leaves it."""
        raise NotImplementedError

    def convert(self, source: Utterance, target: Speaker) -> Tensor:
        return self.convert_batch([source], [target])[0]

    def before_training(self, training: Sequence[Utterance], held_out: Sequence[Utterance]) -> None:
        """Called once before a training starts or resumes: a place for tables of the utterances' speakers."""

    def save(self, path: Path) -> None:
        """Write weights and the resolved configuration to a safetensors file, whole or not at all."""
        from safetensors.torch import save

        from vcbench.base.files import write_bytes

        metadata = {"vcbench": json.dumps(self.description())}
        write_bytes(path, save({name: tensor.contiguous() for name, tensor in self.state_dict().items()}, metadata))

    def description(self) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return {
            "system": self.name,
            "version": self.version,
            "config": self.config.model_dump(mode="json"),
            "mel": self.mel_settings.model_dump(mode="json"),
            "seed": self.seed,
            "source": source_key(type(self)),
        }

    def training_key(self) -> str:
        """Hash of what decides the trained weights: systems that differ in `conversion_only` alone are trained once."""
        description = self.description()
        own = {name: value for name, value in description["config"].items() if name not in self.conversion_only}
        return hash_json(description | {"config": own})

    @classmethod
    def load(cls, path: Path, mel: MelSettings | None = None) -> Self:
        """Read a checkpoint; with `mel`, refuse one of another mel configuration.

        Raises:
            CheckpointError: the file is truncated, of another system or version, or of other mel settings.
        """
        description, state = read_checkpoint(path)
        if description["system"] != cls.name:
            raise CheckpointError(f"{path} is a checkpoint of {description['system']!r}, not of {cls.name!r}.")
        if description["version"] != cls.version:
            raise CheckpointError(
                f"{path} was made by version {description['version']} of {cls.name}; this is version {cls.version}. Train it again."
            )
        found = MelSettings.model_validate(description["mel"])
        if mel is not None and found != mel:
            differing = [
                f"{key} is {getattr(found, key)} there and {getattr(mel, key)} here"
                for key in MelSettings.model_fields
                if getattr(found, key) != getattr(mel, key)
            ]
            raise CheckpointError(f"{path} was trained on other mel spectrograms: {'; '.join(differing)}.")
        # JSON has no tuples: lax validation turns lists back into them.
        system = cls(cls.Config.model_validate(description["config"], strict=False), found, description["seed"])
        system.load_state_dict(state)
        return system.eval()
