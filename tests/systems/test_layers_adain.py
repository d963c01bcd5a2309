"""Instance normalisation, adaptive instance normalisation and the swap of halves, with and without padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from vcbench.systems.layers.adain import adapt, instance_norm, mean_absolute_error, swap_halves


def mask_of(lengths: list[int], frames: int) -> Tensor:
    return (torch.arange(frames)[:, None, None] < torch.tensor(lengths)[None, :, None]).float()


def test_instance_norm_removes_the_statistics_and_returns_them() -> None:
    x = torch.randn(50, 3, 4) * torch.tensor([0.1, 1, 10, 3]) + torch.tensor([5, -2, 100, 0])
    normal, mean, deviation = instance_norm(x)
    assert torch.allclose(normal.mean(0), torch.zeros(3, 4), atol=1e-4)
    assert torch.allclose(normal.std(0), torch.ones(3, 4), atol=1e-2)
    assert torch.allclose(mean, x.mean(0), atol=1e-4)
    assert torch.allclose(deviation, (x.var(0) + 1e-5).sqrt(), rtol=1e-4)


@settings(deadline=None, max_examples=30)
@given(frames=st.integers(2, 40), other_frames=st.integers(2, 40), seed=st.integers(0, 100))
def test_adain_gives_exactly_the_targets_statistics(frames: int, other_frames: int, seed: int) -> None:
    torch.manual_seed(seed)
    # Far from constant, so that the epsilon in the variance is negligible.
    source = torch.randn(frames, 2, 3, dtype=torch.double) * 100
    target = torch.randn(other_frames, 2, 3, dtype=torch.double) * 1000 + 7
    _, mean, deviation = instance_norm(target)
    adapted = adapt(source, (mean, deviation))
    assert torch.allclose(adapted.mean(0), target.mean(0), rtol=1e-6, atol=1e-9)
    scale = (source.var(0) / (source.var(0) + 1e-5)).sqrt()
    assert torch.allclose(adapted.std(0), deviation * scale, rtol=1e-9)
    assert torch.allclose(adapted.std(0), target.std(0), rtol=1e-2)


@pytest.mark.parametrize("correction", [0, 1])
@pytest.mark.parametrize("lengths", [None, [6, 3, 1]])
def test_gradients(correction: int, lengths: list[int] | None) -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 3, 2, dtype=torch.double, requires_grad=True)
    mask = None if lengths is None else mask_of(lengths, 6).double()
    assert torch.autograd.gradcheck(lambda x: instance_norm(x, mask, correction), x, atol=1e-6)


def test_padding_changes_nothing() -> None:
    lengths = [9, 4, 1]
    x = torch.randn(9, 3, 5)
    mask = mask_of(lengths, 9)
    normal, mean, deviation = instance_norm(x, mask)
    for row, length in enumerate(lengths):
        alone = instance_norm(x[:length, row : row + 1])
        assert torch.allclose(normal[:length, row], alone[0][:, 0], atol=1e-5)
        assert not normal[length:, row].any()
        assert torch.allclose(mean[row], alone[1][0], atol=1e-6)
        assert torch.allclose(deviation[row], alone[2][0], atol=1e-6)


def test_half_precision_is_normalised_in_full() -> None:
    normal, mean, deviation = instance_norm((torch.randn(20, 2, 3) + 8).bfloat16())
    assert {normal.dtype, mean.dtype, deviation.dtype} == {torch.float32}
    assert normal.mean(0).abs().max() < 1e-5


@given(frames=st.integers(1, 11))
def test_halves_are_swapped(frames: int) -> None:
    x = torch.arange(frames).float()[:, None, None]
    half = frames // 2
    expected = [*range(half, frames), *range(half)]
    assert swap_halves(x)[:, 0, 0].tolist() == expected
    assert swap_halves(x, torch.ones(frames, 1, 1))[:, 0, 0].tolist() == expected


def test_halves_of_padded_utterances_are_swapped_within_each() -> None:
    x = torch.arange(6).float()[:, None, None].expand(6, 2, 1)
    swapped = swap_halves(x, mask_of([5, 2], 6))
    assert swapped[:5, 0, 0].tolist() == [2, 3, 4, 0, 1]
    assert swapped[:2, 1, 0].tolist() == [1, 0]


def test_error_counts_real_frames_only() -> None:
    prediction, truth = torch.zeros(4, 2, 3), torch.ones(4, 2, 3)
    prediction[2:, 1] = 50.0
    assert mean_absolute_error(prediction, truth, mask_of([4, 2], 4)) == 1
    assert mean_absolute_error(prediction, truth) > 1
