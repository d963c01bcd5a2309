"""Whisper's weights from a CTranslate2 file, so that openai-whisper computes with the same numbers as faster-whisper."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor, nn

from vcbench.base.errors import UserError

FILE_VERSION = 6  # of CTranslate2's model.bin since its version 2.0
NUMBERS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # by CTranslate2's id of a data type

# openai-whisper's and CTranslate2's names of a layer's parts; the first linear layer of an attention combines several.
FEED_FORWARD = {"mlp_ln": "ffn/layer_norm", "mlp.0": "ffn/linear_0", "mlp.2": "ffn/linear_1"}
SELF_ATTENTION = {"attn_ln": "self_attention/layer_norm", "attn.out": "self_attention/linear_1"}

CROSS_ATTENTION = {
    "cross_attn_ln": "attention/layer_norm",
    "cross_attn.query": "attention/linear_0",
    "cross_attn.out": "attention/linear_2",
}


class ConversionError(UserError):
    """The file is not a CTranslate2 Whisper model in floating point."""


def load_openai_whisper(file: Path) -> nn.Module:
    """openai-whisper's model, in float32, with the weights of CTranslate2's ``model.bin``.

    Raises:
        ConversionError: the file has another format or model, or its weights are quantised.
    """
    from whisper.model import ModelDimensions, Whisper

    found = read(file)
    try:
        state, layers = _state(found)
        mels, width = state["encoder.conv1.weight"].shape[1], state["encoder.conv1.weight"].shape[0]
        dimensions = ModelDimensions(
            n_mels=mels,
            n_audio_ctx=len(state["encoder.positional_embedding"]),
            n_audio_state=width,
            n_audio_head=int(found["encoder/num_heads"]),
            n_audio_layer=layers["encoder"],
            n_vocab=len(state["decoder.token_embedding.weight"]),
            n_text_ctx=len(state["decoder.positional_embedding"]),
            n_text_state=state["decoder.token_embedding.weight"].shape[1],
            n_text_head=int(found["decoder/num_heads"]),
            n_text_layer=layers["decoder"],
        )
    except KeyError as error:
        raise ConversionError(f"{file} is not a Whisper model in floating point: it has no {error}.") from error
    model = Whisper(dimensions)
    model.load_state_dict(state)
    return model.eval()


def read(file: Path) -> dict[str, Tensor]:
    """Every variable of a CTranslate2 file, by name.

    Raises:
        ConversionError: the file has another format or is truncated.
    """
    try:
        with file.open("rb") as stream:
            (number,) = _unpack(stream, "I")
            if number != FILE_VERSION:
                raise ConversionError(f"{file} has CTranslate2's file format {number}; vcbench reads {FILE_VERSION}.")
            _text(stream), _unpack(stream, "I")  # the model's kind and its revision
            return dict(_variable(stream) for _ in range(_unpack(stream, "I")[0]))
    except (struct.error, UnicodeDecodeError, ValueError, KeyError) as error:
        if isinstance(error, ConversionError):
            raise
        raise ConversionError(f"{file} is not a complete CTranslate2 file ({error}).") from error


def _unpack(stream: IO[bytes], form: str) -> tuple[int, ...]:
    form = f"<{form}"
    return struct.unpack(form, stream.read(struct.calcsize(form)))


def _text(stream: IO[bytes]) -> str:
    return stream.read(_unpack(stream, "H")[0]).rstrip(b"\0").decode()


def _variable(stream: IO[bytes]) -> tuple[str, Tensor]:
    name = _text(stream)
    (rank,) = _unpack(stream, "B")
    shape = _unpack(stream, f"{rank}I")
    kind, size = _unpack(stream, "BI")
    values = np.frombuffer(stream.read(size), NUMBERS[kind]).reshape(shape)
    return name, torch.from_numpy(values.copy())


def _state(found: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, int]]:
    """openai-whisper's state dict, and the number of layers of encoder and decoder."""
    state = {"decoder.token_embedding.weight": found["decoder/embeddings/weight"].float()}
    for convolution in ("encoder.conv1", "encoder.conv2"):
        state |= _linear(found, convolution, convolution.replace(".", "/"))
    state |= _linear(found, "encoder.ln_post", "encoder/layer_norm") | _linear(
        found, "decoder.ln", "decoder/layer_norm"
    )
    layers = {}
    for side in ("encoder", "decoder"):
        state[f"{side}.positional_embedding"] = found[f"{side}/position_encodings/encodings"].float()
        layers[side] = len({match[0] for name in found if (match := re.match(rf"{side}/layer_\d+", name))})
        for layer in range(layers[side]):
            state |= _layer(found, f"{side}.blocks.{layer}", f"{side}/layer_{layer}", crosses=side == "decoder")
    return state, layers


def _layer(found: dict[str, Tensor], ours: str, theirs: str, crosses: bool) -> dict[str, Tensor]:
    parts = {**FEED_FORWARD, **SELF_ATTENTION, **(CROSS_ATTENTION if crosses else {})}
    state: dict[str, Tensor] = {}
    for name, part in parts.items():
        state |= _linear(found, f"{ours}.{name}", f"{theirs}/{part}")
    state |= _joint(found, f"{ours}.attn", ("query", "key", "value"), f"{theirs}/self_attention/linear_0")
    if crosses:
        state |= _joint(found, f"{ours}.cross_attn", ("key", "value"), f"{theirs}/attention/linear_1")
    return state


def _linear(found: dict[str, Tensor], ours: str, theirs: str) -> dict[str, Tensor]:
    weight, bias = ("gamma", "beta") if theirs.endswith("layer_norm") else ("weight", "bias")
    return {f"{ours}.weight": found[f"{theirs}/{weight}"].float(), f"{ours}.bias": found[f"{theirs}/{bias}"].float()}


def _joint(found: dict[str, Tensor], ours: str, names: tuple[str, ...], theirs: str) -> dict[str, Tensor]:
    """The projections that CTranslate2 keeps in one matrix."""
    state = {}
    weights, biases = (found[f"{theirs}/{part}"].float().chunk(len(names)) for part in ("weight", "bias"))
    for name, weight, bias in zip(names, weights, biases, strict=True):
        state[f"{ours}.{name}.weight"] = weight
        if name != "key":  # Whisper's keys have no bias; CTranslate2 stores zeros
            state[f"{ours}.{name}.bias"] = bias
    return state
