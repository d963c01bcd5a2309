"""What a voice-conversion system is, and the base class of those trained here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from torch import Tensor, nn

from vcbench.api.batch import Batch
from vcbench.api.checkpoint import CheckpointError, build_checked, read_header, read_weights
from vcbench.api.settings import SystemConfig
from vcbench.api.source import source_key
from vcbench.base.files import hash_json
from vcbench.base.settings import ConfigError, validate
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


class NeuralSystem(nn.Module):
    """Base of the systems that are trained here.

    A subclass sets `name`, `Config` (its ``training`` field has the paper's defaults), `needs`, `version`, and writes
    `__init__(config, mel)`, `loss`, `convert_batch`, `latents`; `initialise` where something depends on the data.
    `exact_inverse` says that converting an utterance to its own voice returns it, up to rounding, whatever was learned.
    """

    name: ClassVar[str]
    Config: ClassVar[type[SystemConfig]]
    needs: ClassVar[tuple[str, ...]] = ("mel",)  # of "mel", "pitch", "phones"
    produces: Literal["mel", "wave"] = "mel"
    version: ClassVar[int] = 1  # raise it when the same config gives other results
    conversion_only: ClassVar[tuple[str, ...]] = ()  # settings that training does not read
    exact_inverse: bool = False

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
    def reference_model(cls, config: Any, n_mels: int) -> nn.Module | None:
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
            CheckpointError: the file is truncated, of another system or version, of other mel settings, or its weights are not
                those that its settings ask for, or not finite.
        """
        description, shapes = read_header(path)
        if description["system"] != cls.name:
            raise CheckpointError(f"{path} is a checkpoint of {description['system']!r}, not of {cls.name!r}.")
        if description["version"] != cls.version:
            raise CheckpointError(
                f"{path} was made by version {description['version']} of {cls.name}; this is version {cls.version}. Train it again."
            )
        try:
            found = validate(MelSettings, description["mel"], "mel.")
            config = validate(cls.Config, description["config"], "config.")
        except ConfigError as error:
            raise CheckpointError(f"{path} was made with settings that {cls.name} does not have: {error}") from error
        if mel is not None and found != mel:
            differing = [
                f"{key} is {getattr(found, key)} there and {getattr(mel, key)} here"
                for key in MelSettings.model_fields
                if getattr(found, key) != getattr(mel, key)
            ]
            raise CheckpointError(f"{path} was trained on other mel spectrograms: {'; '.join(differing)}.")
        system = build_checked(path, shapes, lambda: cls(config, found, description["seed"]))
        system.load_state_dict(read_weights(path))
        return system.eval()
