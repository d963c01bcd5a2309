"""Which precision a flow's conversion runs in, whatever is allowed around it: exact inverses need all of float32."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor
from vcbench.systems.flowvc.system import FlowVC
from vcbench.systems.layers.precision import full_float32

from tests.support.flows import trained, utterances
from tests.support.tf32 import SimulatedTF32, rounded
from vcbench.api.batch import collate
from vcbench.speech.utterance import Speaker

AROUND = {
    "float32": nullcontext,
    "TF32": SimulatedTF32,
    "bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
}
EXACT = 1e-3  # log10 magnitude; the couplings' scales are far larger here than after a training


def flow() -> FlowVC:
    return trained(FlowVC, steps=12, width=32, layers=3)


def there_and_back(system: FlowVC) -> float:
    """Largest error of encoding and decoding with one condition, with the precision that is set around it."""
    source = utterances(a_1=40)[0]
    batch = collate([source], system.needs)
    with torch.no_grad():
        projected = system._projected(batch, system._speaker([[source]]))
        latent = system.encode(batch.mel, batch.mask, projected)
        return float((system.decode(latent, batch.mask, projected)[0] - source.mel).abs().max())


@pytest.mark.parametrize(
    ("around", "least", "most"), [("float32", 0, EXACT), ("TF32", 5e-3, 1), ("bfloat16", 2e-2, 10)]
)
def test_lower_precision_breaks_a_flows_inverse(around: str, least: float, most: float) -> None:
    system = flow()
    with AROUND[around]():
        assert least <= there_and_back(system) < most


@pytest.mark.parametrize("around", AROUND)
def test_conversion_and_latents_are_exact_in_any_surroundings(around: str) -> None:
    system, (source,) = flow(), utterances(a_1=40)
    expected = system.latents(source)["content"]
    manager: AbstractContextManager[object] = AROUND[around]()
    with manager:
        mel, found = system.convert(source, Speaker("a", (source,))), system.latents(source)["content"]
    assert (mel - source.mel).abs().max() < EXACT
    assert torch.equal(found, expected)


def test_settings_are_restored_also_after_an_error() -> None:
    torch.set_float32_matmul_precision("high")
    try:
        with pytest.raises(RuntimeError), full_float32(torch.device("cpu")):  # noqa: PT012
            assert not torch.backends.cudnn.allow_tf32
            assert torch.get_float32_matmul_precision() == "highest"
            raise RuntimeError
        assert torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_simulated_tf32_keeps_ten_bits() -> None:
    one = torch.tensor([1.0, 1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, -(1 + 2**-12), 3.0e-30])
    expected: Tensor = torch.tensor([1.0, 1 + 2**-10, 1.0, 1 + 2**-9, -1.0])
    assert torch.equal(rounded(one)[:5], expected)
    assert float((rounded(one)[5] / one[5] - 1).abs()) <= 2**-11
