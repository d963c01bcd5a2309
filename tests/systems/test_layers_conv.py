"""Convolution, batch normalisation and reflection on (frames, batch, channels)."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from vcbench.systems.layers.conv import BatchNorm, Convolution, reflect_frames, reflect_index


def reference(layer: nn.Conv1d, x: Tensor) -> Tensor:
    """The same convolution by PyTorch, in its own order of axes."""
    return F.conv1d(x.permute(1, 2, 0), layer.weight, layer.bias, padding=layer.kernel_size[0] // 2).permute(2, 0, 1)


def mask_of(lengths: list[int], frames: int) -> Tensor:
    return (torch.arange(frames)[:, None, None] < torch.tensor(lengths)[None, :, None]).float()


@settings(deadline=None, max_examples=40)
@given(frames=st.integers(1, 21), batch=st.integers(1, 4), kernel=st.sampled_from([1, 3, 5]), learning=st.booleans())
def test_convolution_is_pytorchs(frames: int, batch: int, kernel: int, learning: bool) -> None:
    torch.manual_seed(frames)
    layer = Convolution(5, 7, kernel)
    x = torch.randn(frames, batch, 5)
    with torch.set_grad_enabled(learning):
        assert torch.allclose(layer(x), reference(layer, x), atol=1e-5)


def test_convolution_with_stride_and_even_kernel_on_padded_input() -> None:
    layer = Convolution(3, 4, 4, 2)
    x = torch.randn(9, 2, 3)
    padded = reflect_frames(x, 2, 1)
    expected = F.conv1d(F.pad(x.permute(1, 2, 0), (2, 1), mode="reflect"), layer.weight, layer.bias, stride=2)
    assert torch.allclose(layer(padded, padded=True), expected.permute(2, 0, 1), atol=1e-6)


def test_autocast_convolves_in_bfloat16() -> None:
    layer = Convolution(8, 8, 3)
    x = torch.randn(8, 2, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    assert torch.allclose(y.float(), reference(layer, x), atol=0.1)


def test_batch_norm_is_pytorchs() -> None:
    ours, theirs = BatchNorm(6), nn.BatchNorm1d(6)
    x = torch.randn(10, 3, 6)
    assert torch.allclose(ours(x), theirs(x.permute(1, 2, 0)).permute(2, 0, 1), atol=1e-6)
    assert torch.allclose(ours.running_var, theirs.running_var)
    assert torch.allclose(ours.eval()(x), theirs.eval()(x.permute(1, 2, 0)).permute(2, 0, 1), atol=1e-6)


def test_batch_norm_does_not_count_padding() -> None:
    ours, alone = BatchNorm(6), nn.BatchNorm1d(6)
    mask = mask_of([10, 4], 10)
    x = torch.randn(10, 2, 6)
    y = ours(x, mask)
    expected = alone(torch.cat([x[:, 0], x[:4, 1]]))
    assert torch.allclose(torch.cat([y[:, 0], y[:4, 1]]), expected, atol=1e-6)
    assert torch.allclose(ours.running_mean, alone.running_mean)
    assert torch.allclose(ours.running_var, alone.running_var)
    assert not y[4:, 1].any()


def test_gradients_of_batch_norm_are_pytorchs_over_the_real_frames() -> None:
    torch.manual_seed(0)
    ours, alone = BatchNorm(3).double(), nn.BatchNorm1d(3).double()
    for layer in (ours, alone):
        nn.init.constant_(layer.weight, 1.5)
        nn.init.constant_(layer.bias, -0.5)
    mask, x = mask_of([7, 3], 7), torch.randn(7, 2, 3, dtype=torch.double, requires_grad=True)
    upstream = torch.randn(7, 2, 3, dtype=torch.double)
    real = mask[..., 0].bool()
    found = torch.autograd.grad(ours(x, mask), (x, *ours.parameters()), upstream)
    expected = torch.autograd.grad(alone(x[real]), (x, *alone.parameters()), upstream[real])
    for gradient, wanted in zip(found, expected, strict=True):
        assert torch.allclose(gradient, wanted, atol=1e-12)


def test_batch_norm_with_padding_keeps_the_type_under_autocast() -> None:
    layer, x = BatchNorm(6), torch.randn(10, 2, 6).bfloat16()
    assert layer(x, mask_of([10, 4], 10)).dtype == torch.bfloat16


@given(length=st.integers(1, 12), before=st.integers(0, 9), after=st.integers(0, 9))
def test_reflection_is_numpys(length: int, before: int, after: int) -> None:
    index = reflect_index(torch.arange(-before, length + after), length)
    assert np.array_equal(index, np.pad(np.arange(length), (before, after), mode="reflect"))


def test_reflection_is_at_every_utterances_own_end() -> None:
    lengths = [7, 1, 4]
    x = torch.randn(7, 3, 2)
    padded = reflect_frames(x, 3, 2, mask_of(lengths, 7))
    for row, length in enumerate(lengths):
        alone = reflect_frames(x[:length, row : row + 1], 3, 2)
        assert torch.equal(padded[: length + 5, row], alone[:, 0])
