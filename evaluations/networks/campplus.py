"""CAM++: 16 kHz wave in, speaker embedding out.

The network of Wang et al. 2023, "CAM++: A Fast and Efficient Network for Speaker Verification Using Context-Aware Masking"
(Interspeech; section 2 and figure 1), with the weights that 3D-Speaker (https://github.com/modelscope/3D-Speaker) published as
`speech_campplus_sv_zh_en_16k-common_advanced`, trained on Chinese and English speech; parts have the names of that checkpoint.
A front end of 2D convolutions over bands and frames halves the bands three times. Three blocks of a densely connected TDNN follow:
each layer reads what all layers before it in the block have found, and its output is masked by what is heard around it. Mean and
standard deviation over frames go through one more layer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vcbench.speech.batches import in_batches
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.speaker_encoders import RATE
from vcbench.speech.pretrained.table import WeightsError

from .masks import within

BANDS = 80
SHORTEST = 720  # samples of three frames, of which two are left for the deviation over frames
HEAD = 32  # channels of the front end
BEGIN = 128  # channels after the first 1D convolution
GROWTH = 32  # channels that a layer adds
BOTTLENECK = 128  # channels that a layer reads them through
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation
SEGMENT = 100  # frames that share a mask, 2 s
EMBEDDING = 192


def load_campplus(file: Path) -> Network:
    """The network with a checkpoint's weights, in evaluation mode; only tensors are read from the file.

    Raises:
        WeightsError: the file is damaged or holds more than tensors, or a weight is missing or has the wrong shape.
    """
    content = weights.load_tensors(file)
    model = Network()
    try:
        model.load_state_dict(content)
    except (TypeError, RuntimeError) as error:
        _, *problems = str(error).splitlines() or [""]
        what = f"{problems[0].strip()[:300]} ({len(problems)} such lines)" if problems else str(error)
        raise WeightsError(
            f"{file} does not hold the weights of CAM++ with {BANDS} bands and {EMBEDDING} channels of embedding: {what}"
        ) from error
    return model.eval()


class CamPlusPlus:
    """The encoder on a device.

    Args:
        path: the folder that holds the weights; by default this machine's usual place.
    """

    def __init__(self, device: torch.device | str, path: Path | str | None = None) -> None:
        self._model = load_campplus(weights.find("campplus", path) / weights.get("campplus").files[0]).to(device)
        self._device = device

    def __call__(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        """Waves (samples,) at 16 kHz -> (waves, 192) of unit length; other waves, which are masked, change less than 1e-5."""
        return np.stack(in_batches(self._embed, waves, self._device))

    @torch.inference_mode()
    def _embed(self, waves: Sequence[np.ndarray]) -> np.ndarray:
        mels = [features(torch.from_numpy(wave.astype(np.float32, copy=False)).to(self._device)) for wave in waves]
        frames = torch.tensor([len(mel) for mel in mels], device=self._device)
        embeddings = self._model(pad_sequence(mels, batch_first=True), frames)
        return (embeddings / embeddings.norm(dim=1, keepdim=True)).cpu().numpy()


def features(wave: Tensor) -> Tensor:
    """Kaldi's log mel bands of 25 ms every 10 ms, minus their mean: (samples,) at 16 kHz -> (frames, 80).

    A wave of less than 45 ms is filled up with silence.
    """
    from torchaudio.compliance.kaldi import fbank

    wave = nn.functional.pad(wave, (0, max(SHORTEST - len(wave), 0)))
    mel = fbank(wave[None], num_mel_bins=BANDS, sample_frequency=RATE, dither=0.0)
    return mel - mel.mean(0)


class Network(nn.Module):
    """From features to embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.head = Head()
        first = _convolution(HEAD * BANDS // 8, BEGIN, 5, stride=2, padding=2)
        parts: dict[str, nn.Module] = {"tdnn": _named(linear=first, nonlinear=_norm_relu(BEGIN))}
        channels = BEGIN
        for number, (layers, dilation) in enumerate(BLOCKS, 1):
            parts[f"block{number}"] = Block(channels, layers, dilation)
            channels += layers * GROWTH
            parts[f"transit{number}"] = _named(
                nonlinear=_norm_relu(channels), linear=_convolution(channels, channels // 2)
            )
            channels //= 2
        parts["out_nonlinear"] = _norm_relu(channels)
        norm = _named(batchnorm=nn.BatchNorm1d(EMBEDDING, affine=False))  # and no ReLU after it
        parts["dense"] = _named(linear=_convolution(2 * channels, EMBEDDING), nonlinear=norm)
        self.xvector = nn.ModuleDict(parts)

    def forward(self, mels: Tensor, frames: Tensor) -> Tensor:
        """(batch, frames, 80), filled up with zeros, and each one's frames (batch,) -> (batch, 192)."""
        found = self.head(mels.transpose(1, 2)[:, None], within(frames, mels.shape[1])[:, None, None])
        found = self.xvector["tdnn"](found)
        there = within((frames + 1) // 2, found.shape[2])[:, None]
        for number in range(1, len(BLOCKS) + 1):
            found = self.xvector[f"block{number}"](found, there)
            found = self.xvector[f"transit{number}"](found)
        embeddings: Tensor = self.xvector["dense"](statistics(self.xvector["out_nonlinear"](found), there))
        return embeddings[..., 0]


class Head(nn.Module):
    """The front-end convolution module: (batch, 1, bands, frames) -> (batch, channels * bands / 8, frames)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _convolution2d(1, 1)
        self.bn1 = nn.BatchNorm2d(HEAD)
        self.layer1 = nn.ModuleList([Residual(stride=2), Residual(stride=1)])
        self.layer2 = nn.ModuleList([Residual(stride=2), Residual(stride=1)])
        self.conv2 = _convolution2d(HEAD, 2)
        self.bn2 = nn.BatchNorm2d(HEAD)

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        """`there`: (batch, 1, 1, frames). What is computed beyond a recording's end is zero, as where it is alone."""
        found = self.bn1(self.conv1(features)).relu() * there
        for block in (*self.layer1, *self.layer2):
            found = block(found, there)
        found = self.bn2(self.conv2(found)).relu() * there
        return found.flatten(1, 2)


class Residual(nn.Module):
    """A residual block of ResNet whose stride is over bands."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution2d(HEAD, stride)
        self.bn1 = nn.BatchNorm2d(HEAD)
        self.conv2 = _convolution2d(HEAD, 1)
        self.bn2 = nn.BatchNorm2d(HEAD)
        shortcut = (nn.Conv2d(HEAD, HEAD, 1, (stride, 1), bias=False), nn.BatchNorm2d(HEAD))
        self.shortcut = nn.Sequential(*shortcut if stride > 1 else ())

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        found = self.bn1(self.conv1(features)).relu() * there
        found = self.bn2(self.conv2(found)) + self.shortcut(features)
        masked: Tensor = found.relu() * there
        return masked


class Block(nn.ModuleDict):
    """Densely connected layers: (batch, channels, frames) -> (batch, channels + 32 * layers, frames)."""

    def __init__(self, channels: int, layers: int, dilation: int) -> None:
        super().__init__({f"tdnnd{at + 1}": Layer(channels + at * GROWTH, dilation) for at in range(layers)})

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        for layer in self.values():
            features = torch.cat([features, layer(features, there)], 1)
        return features


class Layer(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _norm_relu(channels)
        self.linear1 = _convolution(channels, BOTTLENECK)
        self.nonlinear2 = _norm_relu(BOTTLENECK)
        self.cam_layer = Masking(dilation)

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        found: Tensor = self.cam_layer(self.nonlinear2(self.linear1(self.nonlinear1(features))) * there, there)
        return found


class Masking(nn.Module):
    """Context-aware masking with pooling of two granularities: a convolution times a mask in (0, 1) for each channel and segment,
    from the means over the recording and over the segment."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = _convolution(BOTTLENECK, GROWTH, 3, padding=dilation, dilation=dilation)
        self.linear1 = nn.Conv1d(BOTTLENECK, BOTTLENECK // 2, 1)
        self.linear2 = nn.Conv1d(BOTTLENECK // 2, GROWTH, 1)

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        """`features`: (batch, 128, frames), 0 beyond a recording's end -> (batch, 32, frames)."""
        frames = features.shape[2]
        beyond = -frames % SEGMENT
        sums = nn.functional.pad(features, (0, beyond)).unflatten(2, (-1, SEGMENT)).sum(3)
        counts = nn.functional.pad(there, (0, beyond)).unflatten(2, (-1, SEGMENT)).sum(3)
        mean = sums.sum(2, keepdim=True) / counts.sum(2, keepdim=True)
        context = mean + sums / counts.clamp_min(1)  # (batch, 128, segments)
        mask = self.linear2(self.linear1(context).relu()).sigmoid()
        found: Tensor = self.linear_local(features) * mask.repeat_interleave(SEGMENT, 2)[..., :frames]
        return found


def statistics(features: Tensor, there: Tensor) -> Tensor:
    """Mean and standard deviation (unbiased) over a recording's frames: (batch, channels, frames) -> (batch, 2 * channels, 1)."""
    count = there.sum(2, keepdim=True)
    mean = (features * there).sum(2, keepdim=True) / count
    squares = ((features - mean) * there).square().sum(2, keepdim=True)
    return torch.cat([mean, (squares / (count - 1)).sqrt()], 1)


def _convolution2d(inputs: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, HEAD, 3, (stride, 1), padding=1, bias=False)


def _convolution(inputs: int, outputs: int, kernel: int = 1, **options: Any) -> nn.Conv1d:
    return nn.Conv1d(inputs, outputs, kernel, bias=False, **options)


def _norm_relu(channels: int) -> nn.Sequential:
    return _named(batchnorm=nn.BatchNorm1d(channels), relu=nn.ReLU())


def _named(**parts: nn.Module) -> nn.Sequential:
    """One after the other, under the checkpoint's names."""
    return nn.Sequential(OrderedDict(parts))
