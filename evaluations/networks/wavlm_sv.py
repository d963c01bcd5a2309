"""WavLM-large, fine-tuned for speaker verification: 16 kHz wave in, speaker embedding out.

The network behind SIM-o in seed-tts-eval, published by Microsoft (https://github.com/microsoft/UniSpeech,
downstreams/speaker_verification; Chen et al. 2022, "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech
Processing"): WavLM's hidden states, weighted and summed, go into ECAPA-TDNN (Desplanques et al. 2020). It is built from the shapes
of the weights, which are those of the published checkpoint under the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vcbench.speech.batches import in_batches, padded
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.table import WeightsError

from . import fairseq
from .fairseq import part
from .masks import normalised, within

Module = TypeVar("Module", bound=nn.Module)
LONGEST_DISTANCE = 800  # frames: WavLM-large's position bias is constant beyond; the weights do not show it
DILATIONS = (2, 3, 4)  # of ECAPA-TDNN's blocks; the weights do not show them

# Prefixes of further weights' names, in WavLM's code and in torchaudio: WavLM-large normalises after every convolution.
NAMES = (
    *fairseq.NAMES,
    (r"feature_extractor\.conv_layers\.(\d+)\.2\.1\.", r"feature_extractor.conv_layers.\1.layer_norm."),
    (r"encoder\.layers\.(\d+)\.self_attn\.out_proj\.", r"encoder.transformer.layers.\1.attention.attention.out_proj."),
    (
        r"encoder\.layers\.(\d+)\.self_attn\.grep_linear\.",
        r"encoder.transformer.layers.\1.attention.gru_rel_pos_linear.",
    ),
    (r"encoder\.layers\.(\d+)\.self_attn\.grep_a", r"encoder.transformer.layers.\1.attention.gru_rel_pos_const"),
    (
        r"encoder\.layers\.0\.self_attn\.relative_attention_bias\.",
        "encoder.transformer.layers.0.attention.rel_attn_embed.",
    ),
)
BIAS = "encoder.transformer.layers.0.attention.rel_attn_embed.weight"  # (buckets, heads)


def load_wavlm_sv(file: Path) -> WavLmSv:
    """The network with a checkpoint's weights, in evaluation mode; only tensors are read from the file.

    Raises:
        WeightsError: the file is damaged or holds more than tensors, or a weight is missing or has the wrong shape.
    """
    content = weights.load_tensors(file)
    try:
        return WavLmSv(content["model"]).eval()
    except (KeyError, RuntimeError) as error:
        raise WeightsError(
            f"{file} does not hold WavLM-large fine-tuned for speaker verification, or not all of it: {error}."
        ) from error


class WavLm:
    """The encoder on a device.

    Args:
        path: the folder that holds the weights; by default this machine's usual place.
    """

    def __init__(self, device: torch.device | str, path: Path | str | None = None) -> None:
        self._model = load_wavlm_sv(weights.find("wavlm_sv", path) / weights.get("wavlm_sv").files[0]).to(device)
        self._device = device

    def __call__(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Waves (samples,) at 16 kHz -> (waves, 256) of unit length; other waves, which are masked, change less than 1e-5."""
        return np.stack(in_batches(self._embed, waves, self._device))

    @torch.inference_mode()
    def _embed(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        embeddings = self._model(*padded(waves, self._device))
        return (embeddings / embeddings.norm(dim=1, keepdim=True)).cpu().numpy()


class WavLmSv(nn.Module):
    """Args: `state`, the weights under the names of the published checkpoint."""

    shares: Tensor  # (states, 1, 1, 1), of WavLM's hidden states; their sum is 1

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.speech = build_wavlm(part(state, "feature_extract.model."))
        self.register_buffer("shares", state["feature_weight"].softmax(0)[:, None, None, None])
        self.begin = ConvReluNorm(part(state, "layer1."), padding=2)
        self.blocks = nn.ModuleList(
            Block(part(state, f"layer{layer}."), dilation) for layer, dilation in enumerate(DILATIONS, 2)
        )
        self.join = _convolution(part(state, "conv."))
        self.pooling = Pooling(part(state, "pooling."))
        self.norm = _norm(part(state, "bn."))
        self.end = _linear(part(state, "linear."))

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Waves at 16 kHz, filled up with zeros (batch, samples), and their lengths (batch,) -> (batch, channels)."""
        samples = within(lengths, waves.shape[1])
        states, frames = hidden_states(self.speech, normalised(waves, samples), lengths)
        features = (self.shares * torch.stack(states)).sum(0).transpose(1, 2)
        there = within(frames, features.shape[2])[:, None]
        found = self.begin(normalised(features, there), there)
        outputs = []
        for block in self.blocks:
            found = block(found, there)
            outputs.append(found)
        joint = self.join(torch.cat(outputs, 1)).relu()
        embeddings: Tensor = self.end(self.norm(self.pooling(joint, there)))
        return embeddings


class ConvReluNorm(nn.Module):
    """(batch, channels, frames) -> (batch, other channels, frames)."""

    def __init__(self, state: Mapping[str, Tensor], padding: int = 0) -> None:
        super().__init__()
        self.conv = _convolution(part(state, "conv."), padding)
        self.norm = _norm(part(state, "bn."))

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        found: Tensor = self.norm(self.conv(features * there).relu())
        return found


class Block(nn.Module):
    """ECAPA-TDNN's block, a residual one: dilated convolutions over groups of channels, each fed with the one before
    (Res2Net), and a gate per channel (squeeze and excitation)."""

    def __init__(self, state: Mapping[str, Tensor], dilation: int) -> None:
        super().__init__()
        self.first = ConvReluNorm(part(state, "Conv1dReluBn1."))
        middle = part(state, "Res2Conv1dReluBn.")
        groups = sum(name.startswith("convs.") and name.endswith(".bias") for name in middle)
        self.convs = nn.ModuleList(
            _convolution(part(middle, f"convs.{group}."), dilation, dilation) for group in range(groups)
        )
        self.norms = nn.ModuleList(_norm(part(middle, f"bns.{group}.")) for group in range(groups))
        self.last = ConvReluNorm(part(state, "Conv1dReluBn2."))
        self.squeeze = _linear(part(state, "SE_Connect.linear1."))
        self.excite = _linear(part(state, "SE_Connect.linear2."))

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        """(batch, channels, frames) -> the same shape."""
        *groups, kept = self.first(features, there).chunk(len(self.convs) + 1, 1)
        found: list[Tensor] = []
        for group, conv, norm in zip(groups, self.convs, self.norms, strict=True):
            found.append(norm(conv((group + found[-1] if found else group) * there).relu()))
        result = self.last(torch.cat([*found, kept], 1), there)
        mean = (result * there).sum(2) / there.sum(2)
        gate = self.excite(self.squeeze(mean).relu()).sigmoid()
        return features + result * gate[..., None]


class Pooling(nn.Module):
    """Mean and standard deviation over frames, weighted by attention: (batch, channels, frames) -> (batch, 2 * channels)."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.inner = _convolution(part(state, "linear1."))
        self.outer = _convolution(part(state, "linear2."))

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        attention = self.outer(self.inner(features).tanh()).masked_fill(~there, -torch.inf).softmax(2)
        mean = (attention * features).sum(2)
        variance = (attention * features.square()).sum(2) - mean.square()
        return torch.cat([mean, variance.clamp_min(1e-9).sqrt()], 1)


def _convolution(state: Mapping[str, Tensor], padding: int = 0, dilation: int = 1) -> nn.Conv1d:
    outputs, inputs, kernel = state["weight"].shape
    return _with(nn.Conv1d(inputs, outputs, kernel, padding=padding, dilation=dilation), state)


def _linear(state: Mapping[str, Tensor]) -> nn.Linear:
    return _with(nn.Linear(state["weight"].shape[1], state["weight"].shape[0]), state)


def _norm(state: Mapping[str, Tensor]) -> nn.BatchNorm1d:
    return _with(nn.BatchNorm1d(len(state["weight"])), state)


def _with(module: Module, state: Mapping[str, Tensor]) -> Module:
    module.load_state_dict(state)
    return module


def build_wavlm(state: Mapping[str, Tensor]) -> Any:
    """torchaudio's WavLM with weights under the names of WavLM's own code."""
    from torchaudio.models import wavlm_model

    renamed = fairseq.renamed(state, NAMES)
    shape = fairseq.sizes(renamed)
    for layer in range(shape["encoder_num_layers"]):
        theirs, ours = f"encoder.layers.{layer}.self_attn", f"encoder.transformer.layers.{layer}.attention.attention"
        for kind in ("weight", "bias"):
            renamed[f"{ours}.in_proj_{kind}"] = torch.cat([state[f"{theirs}.{one}_proj.{kind}"] for one in "qkv"])
    model = wavlm_model(
        extractor_mode="layer_norm",
        extractor_conv_layer_config=fairseq.convolutions(renamed),
        extractor_conv_bias=False,
        encoder_num_heads=renamed[BIAS].shape[1],
        encoder_num_buckets=renamed[BIAS].shape[0],
        encoder_max_distance=LONGEST_DISTANCE,
        encoder_layer_norm_first=True,
        aux_num_out=None,
        **shape,
        **fairseq.WITHOUT_DROPOUT,
    )
    model.load_state_dict(renamed)
    return model


def hidden_states(model: Any, waves: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
    """What goes into each layer of a WavLM, and what comes out of its encoder, (batch, frames, channels) each; frames (batch,).

    Args:
        waves: (batch, samples).
        lengths: (batch,) of the waves; what is beyond is neither attended to nor convolved.
    """
    features, frames = model.feature_extractor(waves, lengths)
    beyond = ~within(frames, features.shape[1])
    transformer = model.encoder.transformer
    state = model.encoder.feature_projection(features).masked_fill(beyond[..., None], 0)
    state = state + transformer.pos_conv_embed(state)
    states, bias = [state], None
    for layer in transformer.layers:
        state, bias = layer(state, None, position_bias=bias, key_padding_mask=beyond)
        states.append(state)
    states[-1] = transformer.layer_norm(state)
    return states, frames
