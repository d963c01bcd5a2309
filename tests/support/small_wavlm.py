"""A small speaker encoder in the format of the published wavlm_large_finetune.pth, with reproducible random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

CONVOLUTIONS = [(16, 10, 5)] + [(16, 3, 2)] * 4 + [(16, 2, 2)] * 2  # channels, kernel, stride
WIDTH, INNER, HEADS, LAYERS, BUCKETS, POSITION, GROUPS = 32, 48, 4, 2, 320, 128, 16
CHANNELS, JOINT, ATTENTION, SQUEEZED, EMBEDDING, SCALE = 64, 1536, 128, 128, 24, 8


def save_small_wavlm(file: Path) -> None:
    """Write the checkpoint; also what the published one holds apart from the network."""
    random = np.random.default_rng(0)
    shapes = _wavlm() | _head() | {"loss_calculator.projection.weight": (7, EMBEDDING)}
    state = {name: _values(name, shape, random) for name, shape in shapes.items()}
    torch.save({"model": state, "best_valid_eer": 100.0}, file)


def _values(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(9)
    if name.endswith("running_var") or (name.endswith(("norm.weight", "bn.weight", "weight_g")) or ".bns." in name):
        return torch.from_numpy(random.uniform(0.5, 1.5, shape).astype(np.float32))
    inputs = np.prod(shape[1:]) if len(shape) > 1 else 25
    return torch.from_numpy(random.normal(0, 1.5 / np.sqrt(inputs), shape).astype(np.float32))


def _wavlm() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"mask_emb": (WIDTH,)}
    before = 1
    for layer, (channels, kernel, _) in enumerate(CONVOLUTIONS):
        shapes[f"feature_extractor.conv_layers.{layer}.0.weight"] = (channels, before, kernel)
        shapes |= _affine(f"feature_extractor.conv_layers.{layer}.2.1", channels)
        before = channels
    shapes |= _linear("post_extract_proj", before, WIDTH) | _affine("layer_norm", before)
    shapes["encoder.pos_conv.0.bias"] = (WIDTH,)
    shapes["encoder.pos_conv.0.weight_g"] = (1, 1, POSITION)
    shapes["encoder.pos_conv.0.weight_v"] = (WIDTH, WIDTH // GROUPS, POSITION)
    for layer in range(LAYERS):
        one = f"encoder.layers.{layer}"
        for projection in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= _linear(f"{one}.self_attn.{projection}", WIDTH, WIDTH)
        shapes |= _linear(f"{one}.self_attn.grep_linear", WIDTH // HEADS, 8)
        shapes[f"{one}.self_attn.grep_a"] = (1, HEADS, 1, 1)
        shapes |= _affine(f"{one}.self_attn_layer_norm", WIDTH) | _affine(f"{one}.final_layer_norm", WIDTH)
        shapes |= _linear(f"{one}.fc1", WIDTH, INNER) | _linear(f"{one}.fc2", INNER, WIDTH)
    shapes["encoder.layers.0.self_attn.relative_attention_bias.weight"] = (BUCKETS, HEADS)
    shapes |= _affine("encoder.layer_norm", WIDTH)
    return {f"feature_extract.model.{name}": shape for name, shape in shapes.items()}


def _head() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"feature_weight": (LAYERS + 1,)}
    shapes |= _convolution("layer1.conv", WIDTH, CHANNELS, 5) | _norm("layer1.bn", CHANNELS)
    for layer in ("layer2", "layer3", "layer4"):
        for outer in ("Conv1dReluBn1", "Conv1dReluBn2"):
            shapes |= _convolution(f"{layer}.{outer}.conv", CHANNELS, CHANNELS) | _norm(f"{layer}.{outer}.bn", CHANNELS)
        width = CHANNELS // SCALE
        for group in range(SCALE - 1):
            shapes |= _convolution(f"{layer}.Res2Conv1dReluBn.convs.{group}", width, width, 3)
            shapes |= _norm(f"{layer}.Res2Conv1dReluBn.bns.{group}", width)
        shapes |= _linear(f"{layer}.SE_Connect.linear1", CHANNELS, SQUEEZED)
        shapes |= _linear(f"{layer}.SE_Connect.linear2", SQUEEZED, CHANNELS)
    shapes |= _convolution("conv", 3 * CHANNELS, JOINT)
    shapes |= _convolution("pooling.linear1", JOINT, ATTENTION) | _convolution("pooling.linear2", ATTENTION, JOINT)
    return shapes | _norm("bn", 2 * JOINT) | _linear("linear", 2 * JOINT, EMBEDDING)


def _affine(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    statistics = {f"{name}.running_mean": (channels,), f"{name}.running_var": (channels,)}
    return _affine(name, channels) | statistics | {f"{name}.num_batches_tracked": ()}


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _convolution(name: str, inputs: int, outputs: int, kernel: int = 1) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, kernel), f"{name}.bias": (outputs,)}
