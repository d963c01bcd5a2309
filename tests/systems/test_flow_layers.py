"""The flow's layers are exact: inverses, log-determinants, masks, likelihood."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from vcbench.systems.layers.flow import (
    ActNorm,
    AffineCoupling,
    Flow,
    InvertibleConvolution,
    negative_log_likelihood,
    rotations,
    squeeze,
    unsqueeze,
    whole_pairs,
)
from vcbench.systems.layers.wavenet import WaveNet

from vcbench.base.jobs import torch_threads

CHANNELS, CONDITION = 4, 3


LAYERS = {
    "actnorm": lambda: ActNorm(CHANNELS),
    "convolution": lambda: InvertibleConvolution(CHANNELS),
    "coupling": lambda: AffineCoupling(CHANNELS, CONDITION, 6, 2, 3, 2, 2.0),
    "flow": lambda: Flow(CHANNELS, CONDITION, 3, 6, 2, 3, dilation=2),
}


lengths = st.lists(st.integers(1, 33), min_size=1, max_size=4)


def trained(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A layer with every parameter moved away from its initial value."""
    torch.manual_seed(1)
    layer = LAYERS[name]().to(dtype)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return layer


def example(sizes: list[int], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, mask and condition for utterances of these lengths."""
    generator = torch.Generator().manual_seed(2)
    mask = (torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]).to(dtype)[:, None]
    inputs = torch.randn(len(sizes), CHANNELS, max(sizes), dtype=dtype, generator=generator) * mask
    return inputs, mask, torch.randn(len(sizes), CONDITION, max(sizes), dtype=dtype, generator=generator) * mask


def projected(layer: nn.Module, condition: Tensor):
    return layer.project(condition) if hasattr(layer, "project") else None


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
@settings(max_examples=15, deadline=None)
@given(sizes=lengths)
def test_inverse_undoes_forward_at_any_length(name, dtype, tolerance, sizes):
    layer = trained(name, dtype)
    inputs, mask, condition = example(sizes, dtype)
    outputs, log_determinant = layer(inputs, mask, projected(layer, condition))
    back, inverse_log_determinant = layer.inverse(outputs, mask, projected(layer, condition))
    assert (back - inputs).abs().max() < tolerance
    assert (log_determinant + inverse_log_determinant).abs().max() < tolerance
    assert torch.equal(outputs * (1 - mask), torch.zeros_like(outputs))


@pytest.mark.parametrize("name", LAYERS)
def test_log_determinant_is_that_of_the_jacobian(name):
    layer = trained(name)
    inputs, mask, condition = example([5, 3])
    _, log_determinant = layer(inputs, mask, projected(layer, condition))
    for row, frames in enumerate([5, 3]):
        own = projected(layer, condition[row : row + 1])

        def of_real_frames(values: Tensor, row: int = row, frames: int = frames, own: object = own) -> Tensor:
            padded = nn.functional.pad(values.reshape(1, CHANNELS, frames), (0, 5 - frames))
            return layer(padded, mask[row : row + 1], own)[0][0, :, :frames].flatten()

        jacobian = torch.autograd.functional.jacobian(of_real_frames, inputs[row, :, :frames].flatten())
        assert log_determinant[row].item() == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-9)
    if name != "convolution":  # whose matrix is a rotation
        assert log_determinant.abs().min() > 0.1


@pytest.mark.parametrize("name", LAYERS)
def test_batch_neighbours_change_nothing(name):
    layer = trained(name)
    inputs, mask, condition = example([7, 12])
    for direction in (layer, layer.inverse):
        outputs, log_determinant = direction(inputs, mask, projected(layer, condition))
        alone, alone_log_determinant = direction(
            inputs[:1, :, :7], mask[:1, :, :7], projected(layer, condition[:1, :, :7])
        )
        torch.testing.assert_close(outputs[:1, :, :7], alone)
        torch.testing.assert_close(log_determinant[:1], alone_log_determinant)


@given(sizes=lengths)
def test_squeezing_loses_nothing_and_repeats_an_odd_last_frame(sizes):
    inputs, mask, _ = example(sizes)
    pairs, pair_mask = squeeze(inputs, mask)
    assert pairs.shape == (len(sizes), 2 * CHANNELS, math.ceil(max(sizes) / 2))
    assert pair_mask.sum((1, 2)).tolist() == [math.ceil(size / 2) for size in sizes]
    assert whole_pairs(mask).sum((1, 2)).tolist() == [size // 2 for size in sizes]
    assert torch.equal(unsqueeze(pairs, mask), inputs)
    for row, size in enumerate(sizes):
        if size % 2:
            assert torch.equal(pairs[row, CHANNELS:, size // 2], inputs[row, :, size - 1])


def test_actnorm_starts_from_the_data_once():
    layer = ActNorm(CHANNELS)
    inputs, mask, _ = example([9, 40], torch.float32)
    inputs = (3 * inputs + torch.arange(4.0)[:, None]) * mask
    layer.initialise(inputs, mask)
    outputs = layer(inputs, mask)[0].transpose(1, 2)[mask[:, 0] > 0]
    assert outputs.mean(0).abs().max() < 1e-6
    assert (outputs.std(0, correction=0) - 1).abs().max() < 1e-6
    again = ActNorm(CHANNELS)
    again.load_state_dict(layer.state_dict())
    again.initialise(100 * inputs, mask)
    for name, tensor in layer.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_a_constant_channel_does_not_explode():
    layer = ActNorm(CHANNELS)
    mask = torch.ones(1, 1, 8)
    layer.initialise(torch.full((1, CHANNELS, 8), -5.0), mask)
    assert layer(torch.full((1, CHANNELS, 8), -4.999), mask)[0].abs().max() < 2


def test_every_actnorm_of_a_flow_sees_standardised_data():
    flow = Flow(CHANNELS, CONDITION, 3, 6, 2, 3)
    inputs, mask, condition = example([30, 21], torch.float32)
    flow.initialise(5 * inputs + mask, mask, flow.project(condition))
    latent = flow(5 * inputs + mask, mask, flow.project(condition))[0].detach().transpose(1, 2)[mask[:, 0] > 0]
    # Couplings start as the identity and the last convolution is a rotation.
    assert float(latent.square().mean()) == pytest.approx(1, abs=1e-4)


def test_the_convolution_stays_a_rotation():
    matrix = trained("convolution").project()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(CHANNELS, dtype=matrix.dtype))
    assert (matrix - matrix.diag().diag()).abs().max() > 0.1


def test_all_rotations_at_once_are_the_cayley_transforms_one_by_one():
    turns = [trained("convolution").turn, 5 * trained("convolution").turn]
    for turn, found in zip(turns, rotations(turns), strict=True):
        skew = turn.tril(-1) - turn.tril(-1).T
        identity = torch.eye(CHANNELS, dtype=turn.dtype)
        torch.testing.assert_close(found, torch.linalg.solve(identity + skew, identity - skew))


def test_rotations_of_160_channels_are_exact_in_float32():
    torch.manual_seed(0)
    for turn in (torch.randn(160, 160) / 160**0.5, torch.randn(160, 160)):
        (matrix,) = rotations([turn])
        assert (matrix @ matrix.T - torch.eye(160)).abs().max() < 5e-6


def test_rotations_of_many_layers_do_not_depend_on_threads() -> None:
    """PyTorch's batched inverse fails with several threads from about these sizes on."""
    generator = torch.Generator().manual_seed(0)
    turns = [torch.randn(160, 160, generator=generator) / 160**0.5 for _ in range(4)]
    with torch_threads(1):
        alone = rotations(turns)
    with torch_threads(4):
        for found, expected in zip(rotations(turns), alone, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=5e-6)


def test_autocast_leaves_the_convolution_in_full_precision():
    layer = trained("convolution", torch.float32)
    inputs, mask, _ = example([6], torch.float32)
    expected = layer(inputs, mask, layer.project())[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(inputs, mask, layer.project())[0], expected)


def test_the_couplings_scale_is_bounded():
    layer = trained("coupling")
    inputs, mask, condition = example([6])
    log_determinant = layer(1e6 * inputs, mask, projected(layer, condition))[1]
    assert log_determinant.abs() <= 2.0 * CHANNELS / 2 * 6 + 1e-9


def test_a_coupling_starts_as_the_identity_and_needs_even_channels():
    layer = LAYERS["coupling"]().double()
    inputs, mask, condition = example([6])
    assert torch.equal(layer(inputs, mask, projected(layer, condition))[0], inputs)
    with pytest.raises(ValueError, match="even number of channels; received 5"):
        AffineCoupling(5, CONDITION, 6, 2, 3, 2, 2.0)


def test_every_layer_of_the_wavenet_reads_the_condition():
    torch.manual_seed(0)
    network = WaveNet(2, 4, CONDITION, 6, 3, 3)
    nn.init.normal_(network.end.weight)
    inputs, mask, condition = example([8], torch.float32)
    parts = network.project(condition)
    gradients = torch.autograd.grad(network(inputs[:, :2], mask, parts).square().sum(), parts)
    assert len(parts) == 4  # three gated layers and the output
    assert all(gradient.abs().max() > 0 for gradient in gradients)


def test_negative_log_likelihood_is_the_normal_density():
    latent, mask, _ = example([5, 2])
    log_determinant = torch.tensor([0.5, -1.0], dtype=torch.float64)
    found = negative_log_likelihood(latent, mask, log_determinant)
    normal = torch.distributions.Normal(0.0, 1.0)
    for row, frames in enumerate([5, 2]):
        expected = -normal.log_prob(latent[row, :, :frames]).sum() - log_determinant[row]
        assert float(found[row]) == pytest.approx(float(expected))


def test_the_likelihood_of_a_known_gaussian_is_learned():
    """Frames are independent and channels correlated: the entropy is known, and no model can do better."""
    torch.manual_seed(0)
    mixing = torch.tensor([[2.0, 0.0, 0.0, 0.0], [1.5, 0.5, 0.0, 0.0], [-1.0, 0.8, 1.0, 0.0], [0.3, 0.0, 0.9, 0.2]])
    entropy = 0.5 * CHANNELS * math.log(2 * math.pi * math.e) + float(torch.linalg.slogdet(mixing)[1])
    flow = Flow(CHANNELS, CONDITION, 2, 8, 1, 1)
    mask, condition = torch.ones(8, 1, 32), torch.zeros(8, CONDITION, 32)

    def draw() -> Tensor:
        return mixing @ torch.randn(8, CHANNELS, 32) + 3.0

    def nats_per_frame() -> Tensor:
        latent, log_determinant = flow(draw(), mask, flow.project(condition))
        return negative_log_likelihood(latent, mask, log_determinant).mean() / 32

    flow.initialise(draw(), mask, flow.project(condition))
    optimizer = torch.optim.Adam(flow.parameters())
    for step in range(250):
        optimizer.param_groups[0]["lr"] = 3e-2 * (1 - step / 250)
        optimizer.zero_grad()
        nats_per_frame().backward()
        optimizer.step()
    with torch.no_grad():
        found = sum(float(nats_per_frame()) for _ in range(50)) / 50
    assert found == pytest.approx(entropy, abs=0.05)
