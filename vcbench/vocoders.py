"""Vocoders: Griffin-Lim, HiFi-GAN and MelGAN. Each utterance is processed alone, so that batch neighbours have no effect."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations
from torchaudio.functional import griffinlim

from vcbench import weights
from vcbench.base.errors import ModelUnavailable, UserError
from vcbench.base.settings import Strict
from vcbench.features.mel import filterbank, linear_magnitude
from vcbench.features.settings import MelSettings

MELGAN_MEL = MelSettings()


HIFIGAN_MEL = MelSettings(high=8000.0)  # settings of the mels that speechbrain's checkpoint was trained on


MELGAN_HELP = (
    "Set vocoder.path to the published checkpoint; get it with: curl --location --output multi_speaker.pt "
    "https://github.com/descriptinc/melgan-neurips/raw/master/models/multi_speaker.pt"
)


class VocoderError(UserError):
    """The vocoder's weights are missing, belong to another model, or need other mel spectrograms."""


class VocoderSettings(Strict):
    """How mels become waves.

    Attributes:
        iterations, momentum: of Griffin-Lim.
        path: HiFi-GAN's folder (by default the cache of the Hugging Face hub), or MelGAN's checkpoint.
    """

    kind: Literal["griffin-lim", "hifigan", "melgan"] = "griffin-lim"
    iterations: int = Field(default=32, ge=1)
    momentum: float = Field(default=0.99, ge=0, lt=1)
    path: Path | None = None


class Vocoder(Protocol):
    def __call__(self, mels: list[Tensor]) -> list[Tensor]:
        """Log10 mels (n_mels, frames) to waves (frames * hop,)."""
        ...


def load_vocoder(settings: VocoderSettings, mel: MelSettings, device: torch.device | str) -> Vocoder:
    """A vocoder on `device`.

    Raises:
        VocoderError: its weights are not on this machine (the message has the command that gets them), cannot be read,
            or need other mel spectrograms than `mel`.
    """
    if settings.kind == "griffin-lim":
        return GriffinLim(settings, mel)
    if settings.kind == "hifigan":
        return HifiGan(settings.path, mel, torch.device(device))
    return MelGan(settings.path, mel, torch.device(device))


class GriffinLim:
    """Phases by the fast Griffin-Lim algorithm (Perraudin et al. 2013), starting from zero, so the result is deterministic.

    Zero is as good a start as a random one: over mini's held-out utterances, the spectral convergence is 0.23 for both.
    """

    def __init__(self, settings: VocoderSettings, mel: MelSettings) -> None:
        self.settings = settings
        self.mel = mel

    def __call__(self, mels: list[Tensor]) -> list[Tensor]:
        return [self._invert(mel) for mel in mels]

    @torch.inference_mode()
    def _invert(self, log_mel: Tensor) -> Tensor:
        hop, fft_size = self.mel.hop, self.mel.fft_size
        # The algorithm centres frame i on i * hop; here it is (i + 0.5) * hop. Extra frames at both ends leave room to cut.
        edge = fft_size // (2 * hop)
        padded = nn.functional.pad(log_mel[None], (edge, edge), mode="replicate")[0]
        wave = griffinlim(
            linear_magnitude(padded, self.mel),
            window=torch.hann_window(fft_size, device=log_mel.device),
            n_fft=fft_size,
            hop_length=hop,
            win_length=fft_size,
            power=1.0,
            n_iter=self.settings.iterations,
            momentum=self.settings.momentum,
            length=None,
            rand_init=False,
        )
        begin = edge * hop - hop // 2
        return wave[begin : begin + log_mel.shape[-1] * hop]


class HifiGan:
    """HiFi-GAN V1 (Kong et al. 2020) with the weights of speechbrain/tts-hifigan-libritts-22050Hz.

    It was trained on other mels: natural logarithm, 80 bands up to 8000 Hz, frame i centred on sample i * hop. So each mel
    is mapped back to linear magnitudes and then to those bands, and the wave is shifted by half a hop.
    """

    def __init__(self, path: Path | None, mel: MelSettings, device: torch.device) -> None:
        from speechbrain.lobes.models.HifiGAN import HifiganGenerator

        if (mel.sampling_rate, mel.hop) != (HIFIGAN_MEL.sampling_rate, HIFIGAN_MEL.hop):
            raise VocoderError(
                f"HiFi-GAN needs a sampling rate of {HIFIGAN_MEL.sampling_rate} Hz and a hop of {HIFIGAN_MEL.hop} samples; "
                f'features.mel has {mel.sampling_rate} and {mel.hop}. Use these, or vocoder.kind = "griffin-lim".'
            )
        try:
            folder = weights.find("hifigan", path)
        except ModelUnavailable as error:
            raise VocoderError(
                f'{error}\nOr set vocoder.path to its folder, or use vocoder.kind = "griffin-lim".'
            ) from error
        file = folder / "generator.ckpt"
        state = _read_state(file)
        generator = HifiganGenerator(
            in_channels=HIFIGAN_MEL.n_mels,
            out_channels=1,
            resblock_type="1",
            resblock_dilation_sizes=[[1, 3, 5]] * 3,
            resblock_kernel_sizes=[3, 7, 11],
            upsample_kernel_sizes=[16, 16, 4, 4],
            upsample_initial_channel=len(_entry(state, "conv_pre.conv.bias", file)),
            upsample_factors=[8, 8, 2, 2],
        )
        _load_state(generator, state, file)
        generator.remove_weight_norm()
        self.generator = generator.to(device).eval()
        self.mel = mel
        self.device = device

    def __call__(self, mels: list[Tensor]) -> list[Tensor]:
        return [self._generate(mel) for mel in mels]

    def own_mel(self, log_mel: Tensor) -> Tensor:
        """The mel (80, frames) in the generator's format, for the same frames."""
        magnitude = filterbank(HIFIGAN_MEL, self.device) @ linear_magnitude(log_mel.to(self.device), self.mel)
        return magnitude.clamp(min=HIFIGAN_MEL.floor).log()

    @torch.inference_mode()
    def _generate(self, log_mel: Tensor) -> Tensor:
        wave = self.generator.inference(self.own_mel(log_mel)[None])[0, 0]
        begin = self.generator.inference_padding * self.mel.hop - self.mel.hop // 2
        return wave[begin : begin + log_mel.shape[-1] * self.mel.hop]


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
        state = _read_state(file)
        blocks = sum(name.endswith("shortcut.bias") for name in state) // len(MelGanGenerator.RATIOS)
        channels = len(_entry(state, "model.1.bias", file)) // 2 ** len(MelGanGenerator.RATIOS)
        generator = MelGanGenerator(mel.n_mels, channels, blocks)
        _load_state(generator, state, file)
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


def _read_state(file: Path) -> dict[str, Any]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError, OSError) as error:
        raise VocoderError(
            f"{file} cannot be read as weights: it is truncated, or another kind of file ({error})."
        ) from error
    if not isinstance(state, dict):
        raise VocoderError(f"{file} holds a {type(state).__name__}, not a vocoder's weights.")
    return state


def _entry(state: dict[str, Any], name: str, file: Path) -> Tensor:
    if not isinstance(state.get(name), Tensor):
        raise VocoderError(f"{file} does not hold this vocoder's weights: it has no {name!r}.")
    return state[name]


def _load_state(module: nn.Module, state: dict[str, Any], file: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise VocoderError(f"{file} does not hold this vocoder's weights: {error}") from error
