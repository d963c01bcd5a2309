"""Weights of fairseq's wav2vec 2.0 and its relatives, under the names that torchaudio gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

STRIDES = (5, 2, 2, 2, 2, 2, 2)  # of the convolutions in every published model; the weights do not show them

# Name prefixes in fairseq's models and in torchaudio's. fairseq's other weights are only for training.
NAMES = (
    (r"layer_norm\.", "encoder.feature_projection.layer_norm."),
    (r"post_extract_proj\.", "encoder.feature_projection.projection."),
    (r"encoder\.pos_conv\.0\.weight_g", "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original0"),
    (r"encoder\.pos_conv\.0\.weight_v", "encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original1"),
    (r"encoder\.pos_conv\.0\.bias", "encoder.transformer.pos_conv_embed.conv.bias"),
    (r"encoder\.layer_norm\.", "encoder.transformer.layer_norm."),
    (r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.", r"encoder.transformer.layers.\1.layer_norm."),
    (r"encoder\.layers\.(\d+)\.fc1\.", r"encoder.transformer.layers.\1.feed_forward.intermediate_dense."),
    (r"encoder\.layers\.(\d+)\.fc2\.", r"encoder.transformer.layers.\1.feed_forward.output_dense."),
    (r"encoder\.layers\.(\d+)\.final_layer_norm\.", r"encoder.transformer.layers.\1.final_layer_norm."),
    (r"feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
)


def part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def renamed(state: Mapping[str, Tensor], names: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """The weights whose names begin with one of the patterns, under torchaudio's names."""
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        for theirs, ours in names:
            if match := re.match(theirs, name):
                weights[match.expand(ours) + name[match.end() :]] = value
    return weights


def convolutions(weights: Mapping[str, Tensor]) -> list[tuple[int, int, int]]:
    """Channels, kernel and stride of each convolution."""
    shapes = [weights[f"feature_extractor.conv_layers.{layer}.conv.weight"].shape for layer in range(len(STRIDES))]
    return [(shape[0], shape[2], stride) for shape, stride in zip(shapes, STRIDES, strict=True)]


def sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """torchaudio's arguments for the sizes of the encoder, from renamed weights."""
    position = weights["encoder.transformer.pos_conv_embed.conv.parametrizations.weight.original1"]
    width, per_group, kernel = position.shape
    layers = {name.split(".")[3] for name in weights if name.startswith("encoder.transformer.layers.")}
    return {
        "encoder_embed_dim": width,
        "encoder_pos_conv_kernel": kernel,
        "encoder_pos_conv_groups": width // per_group,
        "encoder_num_layers": len(layers),
        "encoder_ff_interm_features": len(weights["encoder.transformer.layers.0.feed_forward.intermediate_dense.bias"]),
    }


WITHOUT_DROPOUT = {
    "encoder_projection_dropout": 0.0,
    "encoder_attention_dropout": 0.0,
    "encoder_ff_interm_dropout": 0.0,
    "encoder_dropout": 0.0,
    "encoder_layer_drop": 0.0,
}
