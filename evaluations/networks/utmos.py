"""UTMOS's strong learner: 16 kHz wave in, predicted naturalness score out.

wav2vec 2.0 (Baevski et al. 2020) with a recurrent layer on top, used as the authors scored with it (Saeki et al. 2022, "UTMOS:
UTokyo-SaruLab System for VoiceMOS Challenge 2022"): without phonemes, with listener 288 of domain 0, the mean over frames.
The network is built from the shapes of the weights, which are those of the authors' checkpoint under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.table import WeightsError

from . import fairseq
from .fairseq import part
from .masks import normalised, within

HEAD = 64  # channels of an attention head, in wav2vec 2.0 models of every size
DOMAIN, LISTENER = 0, 288

# Prefixes of further weights' names, in fairseq and in torchaudio: wav2vec 2.0 normalises only after its first convolution.
NAMES = (
    *fairseq.NAMES,
    (r"feature_extractor\.conv_layers\.0\.2\.", "feature_extractor.conv_layers.0.layer_norm."),
    (r"encoder\.layers\.(\d+)\.self_attn\.", r"encoder.transformer.layers.\1.attention."),
)


def load_utmos(file: Path) -> Utmos:
    """The network with a file's weights, in evaluation mode; only tensors are read from the file.

    Raises:
        WeightsError: the file is damaged or holds more than tensors, or a weight is missing or has the wrong shape.
    """
    state = weights.load_tensors(file)
    try:
        return Utmos(state).eval()
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{file} does not hold UTMOS's strong learner, or not all of it: {error}.") from error


class Utmos(nn.Module):
    """Args: `state`, the weights under the names of the authors' checkpoint."""

    condition: Tensor  # (channels,) of the domain, then of the listener

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.speech = build_wav2vec2(part(state, "feature_extractors.0.ssl_model."))
        domains, listeners = "feature_extractors.1.embedding.weight", "output_layers.0.judge_embedding.weight"
        self.register_buffer("condition", torch.cat([state[domains][DOMAIN], state[listeners][LISTENER]]))
        recurrent = part(state, "output_layers.0.decoder_rnn.")
        self.recurrent = nn.LSTM(
            recurrent["weight_ih_l0"].shape[1], recurrent["weight_hh_l0"].shape[1], batch_first=True, bidirectional=True
        )
        self.recurrent.load_state_dict(recurrent)
        end = part(state, "output_layers.1.net.")
        width, channels = end["0.weight"].shape
        self.end = nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Identity(), nn.Linear(width, 1))
        self.end.load_state_dict(end)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Waves at 16 kHz, filled up with zeros (batch, samples), and their lengths (batch,) -> (batch,), mostly from 1 to 5."""
        features, frames = _convolved(self.speech.feature_extractor, waves, lengths)
        features = self.speech.encoder(features, frames)
        joint = torch.cat([features, self.condition.expand(*features.shape[:2], -1)], -1)
        packed = pack_padded_sequence(joint, frames.cpu(), batch_first=True, enforce_sorted=False)
        opinions = self.end(pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)[0])[..., 0]
        return 3 + 2 * (opinions * within(frames, opinions.shape[1])).sum(1) / frames


def _convolved(extractor: Any, waves: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """wav2vec 2.0's convolutions, (batch, frames, channels) and frames (batch,).

    The first one's output is normalised over time, here over each wave's own frames.
    """
    first, *others = extractor.conv_layers
    norm = first.layer_norm
    features = first.conv(waves[:, None])
    frames = (lengths - first.kernel_size) // first.stride + 1
    there = within(frames, features.shape[2])[:, None]
    features = normalised(features, there) * norm.weight[:, None] + norm.bias[:, None]
    features = nn.functional.gelu(features)
    for layer in others:
        features, frames = layer(features, frames)
    return features.transpose(1, 2), frames


def build_wav2vec2(state: Mapping[str, Tensor]) -> Any:
    """torchaudio's wav2vec 2.0 with fairseq's weights: (batch, samples) -> (batch, frames, channels) and lengths."""
    from torchaudio.models import wav2vec2_model

    weights = fairseq.renamed(state, NAMES)
    shape = fairseq.sizes(weights)
    model = wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=fairseq.convolutions(weights),
        extractor_conv_bias=False,
        encoder_num_heads=shape["encoder_embed_dim"] // HEAD,
        encoder_layer_norm_first=False,
        aux_num_out=None,
        **shape,
        **fairseq.WITHOUT_DROPOUT,
    )
    model.load_state_dict(weights)
    return model
