"""The two pretrained speaker encoders: 16 kHz wave in, embedding of unit length out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vcbench.speech.pretrained import weights

RATE = 16_000  # Hz, for both encoders
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
    scale, and webrtcvad cuts out long silences.
    """

    def __init__(self, device: torch.device | str, path: Path | str | None = None) -> None:
        self._model = load_ge2e(device, path)

    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """(samples,) -> (256,) of unit length."""
        from resemblyzer import preprocess_wav

        embedding: np.ndarray = self._model.embed_utterance(preprocess_wav(wave))
        return embedding


class Ecapa:
    """speechbrain's ECAPA-TDNN: 80 log mel bands minus their mean over the utterance, as in its `EncoderClassifier`.

    The network is built from the shapes of the weights: no code from the hub's folder is run.
    """

    def __init__(self, device: torch.device | str, path: Path | str | None = None) -> None:
        from speechbrain.lobes.features import Fbank

        file = weights.find("ecapa", path) / weights.get("ecapa").files[0]
        self._model = build_ecapa(torch.load(file, map_location="cpu", weights_only=True)).to(device)
        self._features = Fbank(n_mels=self._model.blocks[0].conv.conv.in_channels).to(device)
        self._device = device

    @torch.inference_mode()
    def __call__(self, wave: np.ndarray) -> np.ndarray:
        """(samples,) -> (192,) of unit length."""
        features = self._features(torch.from_numpy(wave)[None].to(self._device))
        embedding = self._model(features - features.mean(1, keepdim=True))[0, 0]
        return (embedding / embedding.norm()).cpu().numpy()


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
