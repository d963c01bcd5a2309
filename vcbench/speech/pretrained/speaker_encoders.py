"""The two pretrained speaker encoders: 16 kHz wave in, embedding of unit length out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vcbench.speech.batches import in_batches, padded
from vcbench.speech.pretrained import weights

RATE = 16_000  # Hz, for both encoders
HOP = 160  # samples between ECAPA's frames
WINDOWS = 256  # of GE2E that are computed together
DILATIONS = (1, 2, 3, 4, 1)  # of ECAPA-TDNN's layers (Desplanques et al. 2020, section 2); the weights do not show them


def load_ge2e(device: torch.device | str, path: Path | str | None = None) -> Any:
    """resemblyzer's `VoiceEncoder`.

    Args:
        path: the folder that holds the weights; by default this machine's usual place.

    Raises:
        ModelUnavailable: they are not there.
    """
    file = weights.find("ge2e", path) / weights.get("ge2e").files[0]
    from resemblyzer import VoiceEncoder

    return VoiceEncoder(device, verbose=False, weights_fpath=file)


class Ge2e:
    """resemblyzer's encoder (Wan et al. 2018): the mean over windows of 1.6 s, 1.3 windows per second.

    The wave goes through resemblyzer's `preprocess_wav`, as in published figures: quiet speech is raised to -30 dB of full
    scale, and webrtcvad cuts out long silences. The windows of several waves are computed together; all have the same length.
    """

    def __init__(self, device: torch.device | str, path: Path | str | None = None) -> None:
        self._model = load_ge2e(device, path)

    @torch.inference_mode()
    def __call__(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Waves (samples,) -> (waves, 256) of unit length; other waves change less than 1e-6."""
        windows = [self._windows(wave) for wave in waves]
        joint = torch.from_numpy(np.concatenate(windows)).to(self._model.device)
        partial = torch.cat([self._model(part) for part in joint.split(WINDOWS)]).cpu().numpy()
        ends = np.cumsum([len(own) for own in windows])[:-1]
        means = np.stack([own.mean(axis=0) for own in np.split(partial, ends)])
        embeddings: np.ndarray = means / np.linalg.norm(means, axis=1, keepdims=True)
        return embeddings

    def _windows(self, wave: np.ndarray) -> np.ndarray:
        """(windows, 160, 40) mel spectrograms, the last one filled up with silence, as in resemblyzer's `embed_utterance`."""
        from resemblyzer import preprocess_wav
        from resemblyzer.audio import wav_to_mel_spectrogram

        speech = preprocess_wav(wave)
        of_wave, of_mel = self._model.compute_partial_slices(len(speech), rate=1.3, min_coverage=0.75)
        mel = wav_to_mel_spectrogram(np.pad(speech, (0, max(of_wave[-1].stop - len(speech), 0))))
        return np.stack([mel[own] for own in of_mel])


class Ecapa:
    """speechbrain's ECAPA-TDNN: 80 log mel bands minus their mean over the utterance, as in its `EncoderClassifier`.

    The network is built from the shapes of the weights: no code from the hub's folder is run. Waves of a batch do not see each
    other: means are over each wave's own frames, and its end is reflected before every convolution, as when it is alone.
    """

    def __init__(self, device: torch.device | str, path: Path | str | None = None) -> None:
        from speechbrain.lobes.features import Fbank
        from speechbrain.nnet.CNN import Conv1d

        file = weights.find("ecapa", path) / weights.get("ecapa").files[0]
        self._model = build_ecapa(weights.load_tensors(file)).to(device)
        self._features = Fbank(n_mels=self._model.blocks[0].conv.conv.in_channels).to(device)
        self._device = device
        self._frames: Tensor | None = None  # (batch,) of each wave, while some are shorter than others
        for module in self._model.modules():
            if isinstance(module, Conv1d) and module.kernel_size > 1:
                module.register_forward_pre_hook(self._reflect)

    def __call__(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Waves (samples,) -> (waves, 192) of unit length; other waves change less than 1e-5."""
        return np.stack(in_batches(self._embed, waves, self._device))

    @torch.inference_mode()
    def _embed(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        joint, lengths = padded(waves, self._device)
        features = self._features(joint)
        frames = 1 + lengths // HOP
        there = torch.arange(features.shape[1], device=frames.device) < frames[:, None]
        means = (features * there[..., None]).sum(1, keepdim=True) / frames[:, None, None]
        self._frames = frames if (frames < features.shape[1]).any() else None
        # Half a frame less: as a share of the longest it must not be rounded to a frame more.
        embeddings = self._model(features - means, (frames - 0.5) / features.shape[1])[:, 0]
        return (embeddings / embeddings.norm(dim=1, keepdim=True)).cpu().numpy()

    def _reflect(self, module: nn.Module, arguments: tuple[Tensor]) -> tuple[Tensor] | None:
        """Reflect each wave's end into what fills it up, as far as the convolution reaches."""
        if self._frames is None:
            return None
        (features,) = arguments  # (batch, channels, frames)
        last = self._frames[:, None] - 1
        places = torch.arange(features.shape[2], device=last.device).expand(len(last), -1)
        mirrored = torch.where(places > last, (2 * last - places).clamp_min(0), places)
        return (features.gather(2, mirrored[:, None].expand_as(features)),)


def build_ecapa(state: dict[str, Tensor]) -> Any:
    """speechbrain's ECAPA_TDNN with these weights, in evaluation mode."""
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    convolutions = [f"blocks.{layer}.tdnn1.conv.conv.weight" for layer in range(1, len(DILATIONS) - 1)]
    scale = 1 + len(
        [name for name in state if name.startswith("blocks.1.res2net_block") and name.endswith("conv.bias")]
    )
    model = ECAPA_TDNN(
        input_size=state["blocks.0.conv.conv.weight"].shape[1],
        channels=[len(state[name]) for name in ("blocks.0.conv.conv.weight", *convolutions, "mfa.conv.conv.weight")],
        kernel_sizes=[
            state["blocks.0.conv.conv.weight"].shape[2],
            *(state[f"blocks.{layer}.res2net_block.blocks.0.conv.conv.weight"].shape[2] for layer in (1, 2, 3)),
            state["mfa.conv.conv.weight"].shape[2],
        ],
        dilations=list(DILATIONS),
        attention_channels=len(state["asp.tdnn.conv.conv.weight"]),
        res2net_scale=scale,
        se_channels=len(state["blocks.1.se_block.conv1.conv.weight"]),
        lin_neurons=len(state["fc.conv.weight"]),
    )
    model.load_state_dict(state)
    return model.eval()
