"""Training the source-filter vocoder: its batches and its loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from vcbench.api.settings import SystemConfig, TrainingSettings
from vcbench.base.errors import UserError
from vcbench.base.nouns import counted
from vcbench.base.settings import Strict
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Utterance
from vcbench.speech.vocoders.source_filter import synthesis
from vcbench.speech.vocoders.source_filter.network import NetworkSettings, Source, SourceFilterNetwork

LOUDEST, QUIETEST = 0.3, -0.7  # log10: gains that crops are drawn with
WINDOWS = (2048, 1024, 512)  # samples; shorter ones would hear where in its period a pulse is, which no mel tells
FLOOR = 1e-3  # of magnitudes in the distance; a hundredth of quiet speech
RANGE = -30.0, 10.0  # nepers of power: what an untrained network may ask for
LARGEST_ERROR = 6.0  # nepers of power, of the envelope: digital silence has no envelope


class LossWeights(Strict):
    """Weights of the parts of the loss beside the distance between spectra."""

    envelope: float = Field(0.2, ge=0)
    aperiodicity: float = Field(0.2, ge=0)
    voiced: float = Field(0.5, ge=0)
    pitch: float = Field(0.1, ge=0)


class VocoderConfig(SystemConfig):
    """Network, recipe and loss.

    Attributes:
        blurred: share of crops whose mel is blurred and made noisy, as a converted one may be.
    """

    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings(
        steps=8000,
        batch_size=16,
        frames=96,
        learning_rate=6e-4,
        betas=(0.9, 0.99),
        clip=1.0,
        schedule="one-cycle",
        precision="bfloat16",
    )
    weights: LossWeights = LossWeights()
    blurred: float = Field(0.25, ge=0, le=1)


@dataclass
class VoiceBatch:
    """Crops: mel (batch, n_mels, frames), wave (batch, frames * hop), and what `Voice` has, batch first."""

    mel: Tensor
    wave: Tensor
    log_f0: Tensor
    voiced: Tensor
    envelope: Tensor
    aperiodicity: Tensor


class VoiceSampler:
    """Mels, waves and analyses of many utterances in the device's memory (1.1 GB for an hour), and crops of them.

    Utterances are drawn by their length. One that is shorter than the crop is not drawn.
    """

    def __init__(self, utterances: Sequence[Utterance], store: FeatureStore, frames: int, device: torch.device) -> None:
        found = [(one, store.voice(one)) for one in utterances if store.mel(one).shape[-1] >= frames]
        kept = [(one, voice) for one, voice in found if voice is not None]
        if not kept:
            raise UserError(
                f"No recording has a voice and {counted(frames, 'frame')}: give more speech, or lower training.frames."
            )
        voices = [voice for _, voice in kept]
        self.hop, self.device = store.mel_settings.hop, device
        self.lengths = torch.tensor([len(voice.voiced) for voice in voices], device=device)
        self.begins = self.lengths.cumsum(0) - self.lengths
        self.mel = torch.cat([store.mel(one) for one, _ in kept], 1).T.contiguous().to(device)
        self.wave = torch.cat([store.wave(one)[: len(voice.voiced) * self.hop] for one, voice in kept]).to(device)
        self.log_f0 = torch.cat([voice.log_f0 for voice in voices]).to(device)
        self.voiced = torch.cat([voice.voiced for voice in voices]).to(device)
        self.envelope = torch.cat([voice.envelope for voice in voices], 1).T.contiguous().to(device)
        self.aperiodicity = torch.cat([voice.aperiodicity for voice in voices], 1).T.contiguous().to(device)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over all frames, (n_mels,) each."""
        return self.mel.mean(0), self.mel.std(0).clamp_min(1e-3)

    def seconds(self, sampling_rate: int) -> float:
        """Of speech."""
        return len(self.wave) / sampling_rate

    def draw(self, size: int, frames: int, reference_frames: int, generator: torch.Generator) -> VoiceBatch:
        chosen = torch.multinomial(self.lengths.double(), size, replacement=True, generator=generator)
        room = self.lengths[chosen] - frames + 1
        drawn = torch.rand(2, size, generator=generator, device=generator.device)
        starts = self.begins[chosen] + (drawn[0] * room).long().minimum(room - 1)
        gain = QUIETEST + (LOUDEST - QUIETEST) * drawn[1, :, None, None]
        places = starts[:, None] + torch.arange(frames, device=self.device)
        samples = starts[:, None] * self.hop + torch.arange(frames * self.hop, device=self.device)
        return VoiceBatch(
            mel=self.mel[places].transpose(1, 2) + gain,
            wave=self.wave[samples] * 10 ** gain[:, 0],
            log_f0=self.log_f0[places],
            voiced=self.voiced[places],
            envelope=self.envelope[places].float().transpose(1, 2) + 2 * math.log(10) * gain,
            aperiodicity=self.aperiodicity[places].float().transpose(1, 2),
        )


class VocoderTraining(nn.Module):
    """The network with its loss, as the training loop wants it."""

    def __init__(self, config: VocoderConfig, mel: MelSettings, seed: int) -> None:
        super().__init__()
        self.config = config
        self.mel_settings = mel
        self.seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = SourceFilterNetwork(config.network, mel)

    @property
    def device(self) -> torch.device:
        return self.network.mean.device

    def description(self) -> dict[str, Any]:
        """What a checkpoint of the training says of itself."""
        return {
            "vocoder": "source-filter",
            "config": self.config.model_dump(mode="json"),
            "mel": self.mel_settings.model_dump(mode="json"),
            "seed": self.seed,
        }

    def initialise(self, mean: Tensor, deviation: Tensor, batch: VoiceBatch) -> None:
        """Before the first step: mean and deviation of the mels, (n_mels,); a network that was trained before keeps its own."""
        if not self.network.mean.any():
            self.network.mean.copy_(mean)
            self.network.deviation.copy_(deviation)

    def begin_with(self, network: SourceFilterNetwork, record: dict[str, Any]) -> dict[str, Any]:
        """Take a trained network's weights; returns its record.

        Raises:
            UserError: it is of another size.
        """
        if network.settings != self.config.network:
            raise UserError(
                f"The vocoder to begin with has other sizes ({network.settings}) than vocoder.network ({self.config.network})."
            )
        self.network.load_state_dict(network.state_dict())
        return record

    def loss(self, batch: VoiceBatch) -> dict[str, Tensor]:
        """The energy distance of spectra (nepers), and how far the network is from WORLD's analysis.

        `distance` is 2 E d(x, y) - E d(y, y'): x the recording, y and y' two syntheses with different noise (Gritsenko et al. 2020,
        A Spectral Energy Distance for Parallel Speech Synthesis). Unlike a distance to one synthesis, it does not push
        the noise to its mean. Pulses are at the recording's F0.
        """
        mask = torch.ones_like(batch.mel[:, :1])
        heard = self._blurred(batch.mel) if self.training else batch.mel
        source = self.network(heard.clamp_min(math.log10(self.mel_settings.floor)), mask)
        with torch.autocast(batch.mel.device.type, enabled=False):
            parts = {"distance": self._distance(source, batch), **self._errors(source, batch)}
        weights = self.config.weights.model_dump()
        total = parts["distance"] + sum(weight * parts[name] for name, weight in weights.items())
        return {"total": total, **parts}

    def _errors(self, source: Source, batch: VoiceBatch) -> dict[str, Tensor]:
        voiced = batch.voiced.float()
        count = voiced.sum().clamp_min(1)
        settings = self.config.network
        place = (batch.log_f0 - math.log(settings.lowest)) / settings.step
        classes = torch.arange(settings.pitches, device=place.device)[:, None]
        wanted = torch.softmax(-0.5 * (classes - place[:, None]).square(), 1)
        surprise = -(wanted * source.pitch.log_softmax(1)).sum(1)
        off = (source.aperiodicity - batch.aperiodicity).abs().mean(1)
        return {
            "envelope": (source.envelope - batch.envelope).abs().clamp_max(LARGEST_ERROR).mean(),
            "aperiodicity": (off * voiced).sum() / count,
            "voiced": nn.functional.binary_cross_entropy_with_logits(source.voiced, voiced),
            "pitch": (surprise * voiced).sum() / count,
        }

    def _distance(self, source: Source, batch: VoiceBatch) -> Tensor:
        mel = self.mel_settings
        pulses, noise = synthesis.split_power(source.envelope.clamp(*RANGE), batch.aperiodicity, batch.voiced)
        voice = synthesis.filter_pulses(synthesis.find_pulses(batch.log_f0.exp(), batch.voiced, mel), pulses, mel)
        size, samples = batch.wave.shape
        white = torch.randn(2 * size, samples + mel.fft_size - mel.hop, device=batch.wave.device)
        first, second = synthesis.filter_noise(white, torch.cat([noise, noise]), mel).chunk(2)
        real, one, other = spectra(batch.wave), spectra(voice + first), spectra(voice + second)
        return _apart(real, one) + _apart(real, other) - _apart(one, other)

    def _blurred(self, mel: Tensor) -> Tensor:
        """Some crops averaged over up to five frames and three bands, with noise of up to 0.08."""
        batch = len(mel)
        widths = torch.randint(0, 6, (batch, 1, 1), device=mel.device)
        chosen = torch.rand(batch, 1, 1, device=mel.device) < self.config.blurred
        rough = 0.08 * torch.rand(batch, 1, 1, device=mel.device) * torch.randn_like(mel)
        blurred = mel
        for kind in range(1, 6):
            time, band = kind % 3, kind // 3
            padded = nn.functional.pad(mel[:, None], (time, time, band, band), mode="replicate")
            mean = nn.functional.avg_pool2d(padded, (2 * band + 1, 2 * time + 1), stride=1)[:, 0]
            blurred = torch.where(widths == kind, mean, blurred)
        return torch.where(chosen, blurred + rough, mel)


def spectra(wave: Tensor) -> list[Tensor]:
    """Magnitudes (batch, bins, frames) at each of WINDOWS; white noise of unit power has a mean square of 1."""
    found = []
    for size in WINDOWS:
        window = torch.hann_window(size, device=wave.device)
        bins = torch.stft(wave, size, size // 4, window=window, center=False, return_complex=True)
        found.append(bins.abs() / window.square().sum().sqrt())
    return found


def _apart(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """Mean distance of two sets of spectra: of their logarithms, and of the magnitudes themselves, twice."""
    distances = [
        ((a + FLOOR).log() - (b + FLOOR).log()).abs().mean() + 2 * (a - b).abs().mean()
        for a, b in zip(one, other, strict=True)
    ]
    return torch.stack(distances).mean()
