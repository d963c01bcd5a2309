"""Convolution over time, for tensors (frames, batch, channels).

With frames outermost, a frame of the whole batch is one contiguous block: shifting in time is an offset, an utterance's
statistics are a sum over the first axis, and a recurrent layer reads its steps in order. The same memory is also a
channels-last image (1, channels, frames, batch), which convolution and batch normalisation accept without a copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .adain import EPSILON, instance_norm

MOMENTUM = 0.1  # of batch normalisation's running statistics, PyTorch's default


def as_image(x: Tensor) -> Tensor:
    """View (frames, batch, channels) as (1, channels, frames, batch) in channels-last memory."""
    return x[None].permute(0, 3, 1, 2)


def from_image(image: Tensor) -> Tensor:
    """Undo `as_image`."""
    return image[0].permute(1, 2, 0)


class Convolution(nn.Conv1d):
    """nn.Conv1d (same weights, same result) on (frames, batch, channels); returns ceil(frames / stride) frames.

    An odd kernel is padded with zeros; `padded=True` means that the caller has padded `x`, by kernel // 2 frames before
    and (kernel - 1) // 2 after.
    """

    def forward(self, x: Tensor, padded: bool = False) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1 and stride == 1:
            return F.linear(x, self.weight[:, :, 0], self.bias)
        padding = (0 if padded else kernel // 2, 0)
        image = F.conv2d(as_image(x), self.weight[..., None], self.bias, stride=(stride, 1), padding=padding)
        return from_image(image)


class BatchNorm(nn.BatchNorm1d):
    """nn.BatchNorm1d on (frames, batch, channels). In training, padded frames do not count and come out as zero.

    `mask` is (frames, batch, 1), 1 where real, or ``None`` where every frame is. Running statistics use PyTorch's default
    momentum of 0.1; `num_batches_tracked` is not updated.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None or not self.training:
            return from_image(self.normalise(as_image(x)))
        # All frames of the batch are those of one utterance here. A mask of factors, not of booleans: choosing frames would
        # make a GPU tell the host how many there are.
        normal, mean, deviation = instance_norm(x.flatten(0, 1)[:, None], mask.flatten(0, 1)[:, None], correction=0)
        self.track(mean[0], deviation[0].square() - EPSILON, mask.sum())
        return torch.addcmul(self.bias * mask, normal.view_as(x), self.weight).to(x.dtype)

    @torch.no_grad()
    def track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics towards a batch's, (channels,) each, over `count` frames."""
        assert self.running_mean is not None
        assert self.running_var is not None
        self.running_mean.lerp_(mean.to(self.running_mean), MOMENTUM)
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_var.lerp_(unbiased.to(self.running_var), MOMENTUM)

    def normalise(self, x: Tensor) -> Tensor:
        statistics = self.running_mean, self.running_var
        return F.batch_norm(x, *statistics, self.weight, self.bias, self.training, MOMENTUM, self.eps)


def reflect_index(positions: Tensor, length: Tensor | int) -> Tensor:
    """Frame index at each position of a signal of `length` frames, padded by reflection without repeating its ends.

    A signal of one frame is padded with that frame.
    """
    last = torch.as_tensor(length, device=positions.device) - 1
    wrapped = positions % (2 * last).clamp(min=1)
    return torch.where(last > 0, torch.minimum(wrapped, 2 * last - wrapped), 0)


def reflect_frames(x: Tensor, before: int, after: int, mask: Tensor | None = None) -> Tensor:
    """Pad every utterance of (frames, batch, channels) by reflection at its own ends.

    Returns before + frames + after frames; frames more than `after` beyond an utterance's end are undefined.
    """
    positions = torch.arange(-before, x.shape[0] + after, device=x.device)
    if mask is None:
        return x.index_select(0, reflect_index(positions, x.shape[0]))
    lengths = mask[..., 0].sum(0).long()
    return x[reflect_index(positions[:, None], lengths), torch.arange(x.shape[1], device=x.device)]
