"""The GRU that trains cheaply on a CPU is PyTorch's GRU."""

import pytest
import torch
from torch import nn
from vcbench.systems.layers.recurrence import GatedRecurrence, Recurrence


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_outputs_and_gradients_are_pytorchs(frames: int) -> None:
    torch.manual_seed(0)
    ours = Recurrence(5, 7, 2).double()
    theirs = nn.GRU(5, 7, 2).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(frames, 3, 5, dtype=torch.double, requires_grad=True)
    upstream = torch.randn(frames, 3, 7, dtype=torch.double)
    y, expected = ours(x), theirs(x)[0]
    assert torch.allclose(y, expected, atol=1e-12)
    gradients = torch.autograd.grad(y, [x, *ours.parameters()], upstream)
    expected_gradients = torch.autograd.grad(expected, [x, *theirs.parameters()], upstream)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        assert torch.allclose(gradient, expected_gradient, atol=1e-12)


def test_without_gradients_it_gives_the_same() -> None:
    layer, x = Recurrence(5, 7, 2), torch.randn(6, 2, 5)
    learning = layer(x)
    with torch.no_grad():
        assert torch.allclose(layer(x), learning, atol=1e-6)


def test_gradient_check() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in ((4, 2, 9), (9, 3), (9,))]
    assert torch.autograd.gradcheck(GatedRecurrence.apply, inputs)
