"""HiFi-GAN of the SpeechBrain hub as a vocoder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vcbench.base.errors import ModelUnavailable
from vcbench.speech.features.mel import filterbank, linear_magnitude
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.pretrained import weights
from vcbench.speech.vocoders.vocoder import VocoderError, entry, load_state, read_state

HIFIGAN_MEL = MelSettings(high=8000.0)  # settings of the mels that speechbrain's checkpoint was trained on


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
        state = read_state(file)
        generator = HifiganGenerator(
            in_channels=HIFIGAN_MEL.n_mels,
            out_channels=1,
            resblock_type="1",
            resblock_dilation_sizes=[[1, 3, 5]] * 3,
            resblock_kernel_sizes=[3, 7, 11],
            upsample_kernel_sizes=[16, 16, 4, 4],
            upsample_initial_channel=len(entry(state, "conv_pre.conv.bias", file)),
            upsample_factors=[8, 8, 2, 2],
        )
        load_state(generator, state, file)
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
