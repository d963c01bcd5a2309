"""The source-filter vocoder: its file of weights, and mels to waves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vcbench.base.files import write_bytes
from vcbench.base.settings import ConfigError, validate
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.vocoders.source_filter.contour import contour
from vcbench.speech.vocoders.source_filter.network import NetworkSettings, SourceFilterNetwork
from vcbench.speech.vocoders.source_filter.synthesis import (
    filter_noise,
    filter_pulses,
    find_pulses,
    project,
    split_power,
    white_noise,
)
from vcbench.speech.vocoders.vocoder import VocoderError

SHIPPED = Path(__file__).parent / "mini.safetensors"
VERSION = 1  # of the network and the synthesis; raise it when the same weights give another wave
PROJECTED = 0.5  # of the way to the given mel; the README has what more and less bring
BATCH_FRAMES = 8192  # of mels that the network sees at once


class SourceFilter:
    """A network reads F0 and envelopes from the mel; filtered pulses and noise make the wave (see the package's README)."""

    def __init__(self, path: Path | None, mel: MelSettings, device: torch.device) -> None:
        self.network, self.record = read_weights(path or SHIPPED, mel)
        self.network = self.network.to(device).eval()
        self.mel = mel
        self.device = device

    def __call__(self, mels: list[Tensor]) -> list[Tensor]:
        order = sorted(range(len(mels)), key=lambda index: mels[index].shape[-1])
        waves: dict[int, Tensor] = {}
        while order:
            longest = mels[order[-1]].shape[-1]
            group = [order.pop() for _ in range(min(len(order), max(1, BATCH_FRAMES // longest)))]
            for index, wave in zip(group, self._batch([mels[index] for index in group]), strict=True):
                waves[index] = wave
        return [waves[index] for index in range(len(mels))]

    @torch.inference_mode()
    def _batch(self, mels: list[Tensor]) -> list[Tensor]:
        lengths = [mel.shape[-1] for mel in mels]
        padded = torch.nn.utils.rnn.pad_sequence([mel.T for mel in mels], batch_first=True).transpose(1, 2)
        mask = torch.arange(padded.shape[-1])[None, None] < torch.tensor(lengths)[:, None, None]
        source = self.network(padded.to(self.device), mask.to(self.device).float())
        waves = []
        for row, frames in enumerate(lengths):
            f0 = contour(source.pitch[row, :, :frames], self.network.frequencies).to(self.device)
            voiced = source.voiced[row, None, :frames] > 0
            pulses, noise = split_power(
                source.envelope[row, None, :, :frames], source.aperiodicity[row, None, :, :frames], voiced
            )
            hiss = white_noise((frames - 1) * self.mel.hop + self.mel.fft_size)[None].to(self.device)
            voice = filter_pulses(find_pulses(f0[None], voiced, self.mel), pulses, self.mel)
            wave = voice + filter_noise(hiss, noise, self.mel)
            waves.append(project(wave, mels[row][None].to(self.device), self.mel, PROJECTED)[0])
        return waves


def write_weights(path: Path, network: SourceFilterNetwork, record: dict[str, Any]) -> None:
    """Weights in half precision, with their settings and `record`: what they were trained on, and for how long."""
    description = {
        "version": VERSION,
        "mel": network.mel.model_dump(mode="json"),
        "network": network.settings.model_dump(mode="json"),
        "record": record,
    }
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    write_bytes(path, save(tensors, {"vcbench_vocoder": json.dumps(description)}))


def read_weights(path: Path, mel: MelSettings) -> tuple[SourceFilterNetwork, dict[str, Any]]:
    """A network in single precision, and its record.

    Raises:
        VocoderError: there is no such file, it is damaged, of another version, or for other mels.
    """
    description, tensors = _read(path)
    if description["version"] != VERSION:
        raise VocoderError(f"{path} is of version {description['version']}; this is version {VERSION}. Train it again.")
    try:
        own, settings = MelSettings(**description["mel"]), validate(NetworkSettings, description["network"], "network.")
    except (ConfigError, ValueError) as error:
        raise VocoderError(f"{path} has settings that this version does not know: {error}") from error
    if own != mel:
        differing = [
            f"{key} is {getattr(own, key)} there and {getattr(mel, key)} here"
            for key in MelSettings.model_fields
            if getattr(own, key) != getattr(mel, key)
        ]
        raise VocoderError(
            f"{path} was trained on other mel spectrograms: {'; '.join(differing)}. Train one for yours with "
            '`vcbench vocoder train`, or use vocoder.kind = "griffin-lim".'
        )
    network = SourceFilterNetwork(settings, own)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise VocoderError(f"{path} does not hold this vocoder's weights: {error}") from error
    return network, description["record"]


def read_record(path: Path) -> dict[str, Any]:
    """What a file of weights says of its training.

    Raises:
        VocoderError: as `read_weights`.
    """
    record: dict[str, Any] = _read(path)[0]["record"]
    return record


def read_mel(path: Path) -> MelSettings:
    """The mels that a file of weights is for."""
    return MelSettings(**_read(path)[0]["mel"])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            description = json.loads((file.metadata() or {})["vcbench_vocoder"])
            return description, {name: file.get_tensor(name).float() for name in file.keys()}
    except FileNotFoundError as error:
        raise VocoderError(f"There is no {path}. Train a vocoder with `vcbench vocoder train`.") from error
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise VocoderError(
            f"{path} does not hold the weights of a source-filter vocoder, or is damaged ({error})."
        ) from error
