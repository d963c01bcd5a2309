"""Vocoders: Griffin-Lim, HiFi-GAN and MelGAN. Each utterance is processed alone, so that batch neighbours have no effect."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from vcbench.speech.features.settings import MelSettings
from vcbench.speech.vocoders.vocoder import VocoderError, entry, load_state, read_state

MELGAN_MEL = MelSettings()

MELGAN_HELP = (
    "Set vocoder.path to the published checkpoint; get it with: curl --location --output multi_speaker.pt "
    "https://github.com/descriptinc/melgan-neurips/raw/master/models/multi_speaker.pt"
)


class MelGan:
    """MelGAN (Kumar et al. 2019) with its published weights, trained on the same mels as this benchmark uses."""

    def __init__(self, path: Path | None, mel: MelSettings, device: torch.device) -> None:
        if path is None or not path.expanduser().is_file():
            missing = "MelGAN needs its weights" if path is None else f"{path} does not exist"
            raise VocoderError(f"{missing}. {MELGAN_HELP}")
        if mel != MELGAN_MEL:
            raise VocoderError(
                f"MelGAN was trained on mels with {MELGAN_MEL}; features.mel is {mel}. Use these, or "
                'vocoder.kind = "griffin-lim".'
            )
        file = path.expanduser()
        state = read_state(file)
        blocks = sum(name.endswith("shortcut.bias") for name in state) // len(MelGanGenerator.RATIOS)
        channels = len(entry(state, "model.1.bias", file)) // 2 ** len(MelGanGenerator.RATIOS)
        generator = MelGanGenerator(mel.n_mels, channels, blocks)
        load_state(generator, state, file)
        for module in generator.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")
        self.generator = generator.to(device).eval()
        self.hop = mel.hop
        self.device = device

    def __call__(self, mels: list[Tensor]) -> list[Tensor]:
        return [self._generate(mel) for mel in mels]

    @torch.inference_mode()
    def _generate(self, log_mel: Tensor) -> Tensor:
        missing = max(0, MelGanGenerator.SHORTEST - log_mel.shape[-1])
        padded = nn.functional.pad(log_mel[None].to(self.device), (0, missing), mode="replicate")
        return self.generator(padded)[0, 0, : log_mel.shape[-1] * self.hop]


class MelGanGenerator(nn.Module):
    """The generator of MelGAN (Kumar et al. 2019, section 2.1), its parameters named as in the authors' checkpoints.

    Args:
        channels: number before the last convolution; each upsampling before it halves them.
        blocks: residual blocks after each upsampling, dilated by 1, 3, 9 ...
    """

    RATIOS = (8, 8, 2, 2)
    SHORTEST = 4  # frames: the first layer reflects three

    def __init__(self, n_mels: int, channels: int = 32, blocks: int = 3) -> None:
        super().__init__()
        width = channels * 2 ** len(self.RATIOS)
        layers: list[nn.Module] = [nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(n_mels, width, 7))]
        for ratio in self.RATIOS:
            upsampling = nn.ConvTranspose1d(width, width // 2, 2 * ratio, stride=ratio, padding=ratio // 2)
            width //= 2
            layers += [nn.LeakyReLU(0.2), weight_norm(upsampling)]
            layers += [MelGanBlock(width, 3**block) for block in range(blocks)]
        layers += [nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), weight_norm(nn.Conv1d(width, 1, 7)), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, frames) to (batch, 1, frames * 256)."""
        return self.model(mel)


class MelGanBlock(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(dilation),
            weight_norm(nn.Conv1d(width, width, 3, dilation=dilation)),
            nn.LeakyReLU(0.2),
            weight_norm(nn.Conv1d(width, width, 1)),
        )
        self.shortcut = weight_norm(nn.Conv1d(width, width, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.shortcut(inputs) + self.block(inputs)
