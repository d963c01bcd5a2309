"""UTMOS's strong learner: 16 kHz wave in, predicted naturalness score out.

wav2vec 2.0 (Baevski et al. 2020) with a recurrent layer on top, used as the authors scored with it (Saeki et al. 2022, "UTMOS:
UTokyo-SaruLab System for VoiceMOS Challenge 2022"): without phonemes, with listener 288 of domain 0, the mean over frames.
The network is built from the shapes of the weights, which are those of the authors' checkpoint under the same names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vcbench.speech.pretrained.table import WeightsError

STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of wav2vec 2.0's convolutions; the weights do not show them
HEAD = 64  # channels of an attention head, in wav2vec 2.0 models of every size
DOMAIN, LISTENER = 0, 288

# Name prefixes in fairseq's wav2vec 2.0 and in torchaudio's. fairseq's other weights are only for training.
NAMES = (
    (r"feature_extractor\.conv_layers\.0\.2\.", "feature_extractor.conv_layers.0.layer_norm."),
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
    (r"layer_norm\.", "encoder.feature_projection.layer_norm."),
    (r"post_extract_proj\.", "encoder.feature_projection.projection."),
    (r"encoder\.pos_conv\.0\.weight_g", "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"encoder\.pos_conv\.0\.weight_v", "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"encoder\.pos_conv\.0\.bias", "encoder.transformer.pos_conv_embed.conv.bias"),
    (r"encoder\.layer_norm\.", "encoder.transformer.layer_norm."),
    (r"encoder\.layers\.(\d+)\.self_attn\.", r"encoder.transformer.layers.\1.attention."),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.transformer.layers.\1.layer_norm."),
    (r"encoder\.layers\.(\d+)\.fc1\.", r"encoder.transformer.layers.\1.feed_forward.intermediate_dense."),
    (r"encoder\.layers\.(\d+)\.fc2\.", r"encoder.transformer.layers.\1.feed_forward.output_dense."),
    (r"encoder\.layers\.(\d+)\.final_layer_norm\.", r"encoder.transformer.layers.\1.final_layer_norm."),
)


def load_utmos(file: Path) -> Utmos:
    """The network with a file's weights, in evaluation mode; only tensors are read from the file.

    Raises:
        WeightsError: a weight is missing or has the wrong shape.
    """
    state = torch.load(file, map_location="cpu", weights_only=True)
    try:
        return Utmos(state).eval()
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{file} does not hold UTMOS's strong learner, or not all of it: {error}.") from error


class Utmos(nn.Module):
    """Args: `state`, the weights under the names of the authors' checkpoint."""

    condition: Tensor  # (channels,) of the domain, then of the listener

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.speech = build_wav2vec2(_part(state, "feature_extractors.0.ssl_model."))
        domains, listeners = "feature_extractors.1.embedding.weight", "output_layers.0.judge_embedding.weight"
        self.register_buffer("condition", torch.cat([state[domains][DOMAIN], state[listeners][LISTENER]]))
        recurrent = _part(state, "output_layers.0.decoder_rnn.")
        self.recurrent = nn.LSTM(
            recurrent["weight_ih_l0"].shape[1], recurrent["weight_hh_l0"].shape[1], batch_first=True, bidirectional=True
        )
        self.recurrent.load_state_dict(recurrent)
        end = _part(state, "output_layers.1.net.")
        width, channels = end["0.weight"].shape
        self.end = nn.Sequential(nn.Linear(channels, width), nn.ReLU(), nn.Identity(), nn.Linear(width, 1))
        self.end.load_state_dict(end)

    def forward(self, wave: Tensor) -> Tensor:
        """(samples,) at 16 kHz -> a scalar, mostly from 1 to 5."""
        features: Tensor = self.speech(wave[None])[0]
        condition = self.condition.expand(1, features.shape[1], -1)
        opinions = self.end(self.recurrent(torch.cat([features, condition], -1))[0])
        return 3 + 2 * opinions.mean()


def _part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def build_wav2vec2(state: Mapping[str, Tensor]) -> Any:
    """torchaudio's wav2vec 2.0 with fairseq's weights: (batch, samples) -> (batch, frames, channels) and lengths."""
    from torchaudio.models import wav2vec2_model

    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        for theirs, ours in NAMES:
            if match := re.match(theirs, name):
                weights[match.expand(ours) + name[match.end() :]] = value
    kernels = [weights[f"feature_extractor.conv_layers.{layer}.conv.weight"].shape for layer in range(len(STRIDES))]
    width, per_group, kernel = weights[
        "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original1"
    ].shape
    layers = {name.split(".")[3] for name in weights if name.startswith("encoder.transformer.layers.")}
    model = wav2vec2_model(
        extractor_mode="group_norm",
        extractor_conv_layer_config=[
            (shape[0], shape[2], stride) for shape, stride in zip(kernels, STRIDES, strict=True)
        ],
        extractor_conv_bias=False,
        encoder_embed_dim=width,
        encoder_projection_dropout=0.0,
        encoder_pos_conv_kernel=kernel,
        encoder_pos_conv_groups=width // per_group,
        encoder_num_layers=len(layers),
        encoder_num_heads=width // HEAD,
        encoder_attention_dropout=0.0,
        encoder_ff_interm_features=len(weights["encoder.transformer.layers.0.feed_forward.intermediate_dense.bias"]),
        encoder_ff_interm_dropout=0.0,
        encoder_dropout=0.0,
        encoder_layer_norm_first=False,
        encoder_layer_drop=0.0,
        aux_num_out=None,
    )
    model.load_state_dict(weights)
    return model
