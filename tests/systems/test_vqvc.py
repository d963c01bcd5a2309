"""VQVC+: codebooks, levels, and the published architecture in PyTorch's layers."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from vcbench.systems.vqvc.model import GroupNorm, VQVCModel, rest
from vcbench.systems.vqvc.quantise import DEAD_AFTER, Codebook
from vcbench.systems.vqvc.reference_model import ReferenceVQVC
from vcbench.systems.vqvc.system import VQVC, VQVCConfig

from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.speech.corpora.split import Split
from vcbench.speech.features.settings import MelSettings
from vcbench.training.loop import train

SMALL = VQVCConfig(hidden=16, codes=(6, 8, 10))
TRAINING = TrainingSettings(steps=6, batch_size=4, frames=30, learning_rate=1e-3, evaluate_every=2, checkpoint_every=2)


def unit(*shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape), dim=-1)


def test_the_default_is_the_published_model() -> None:
    config = VQVCConfig()
    assert (config.hidden, config.codes, config.latent_weight) == (512, (32, 64, 128), 0.1)
    training = config.training
    assert (training.learning_rate, training.batch_size, training.frames, training.clip) == (1e-3, 32, 128, 3.0)

    def convolution(inputs: int, outputs: int, kernel: int = 3) -> int:
        return inputs * outputs * kernel + outputs

    def block(channels: int) -> int:
        return convolution(channels, 512) + 2 * 512 + convolution(512, channels)

    encoder = sum(convolution(2 * n, 512, 4) + convolution(512, n) for n in (40, 20, 10))
    expected = encoder + 32 * 40 + 64 * 20 + 128 * 10 + 3 * sum(map(block, (40, 20, 10)))
    assert sum(parameter.numel() for parameter in VQVC(config, MelSettings()).parameters()) == expected


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"hidden": 6}, "multiple of 4"), ({"codes": ()}, "at least 1"), ({"codes": (4, 0)}, "codes")],
)
def test_bad_settings_are_refused(settings: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        VQVCConfig(**settings)


def test_bands_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="with 3 codebooks their number must be a multiple of 8, and is 12"):
        VQVC(SMALL, MelSettings(n_mels=12))


def test_a_frame_takes_the_nearest_code_at_the_codes_own_length() -> None:
    torch.manual_seed(0)
    codebook = Codebook(7, 5)
    with torch.no_grad():
        codebook.weight *= torch.rand(7, 1) + 0.5
    x = unit(9, 2, 5)
    directions = F.normalize(codebook.weight, dim=-1)
    chosen = torch.cdist(x, directions.expand(9, -1, -1)).argmin(-1)
    codes, loss = codebook(x, None)
    assert torch.allclose(codes, codebook.weight[chosen], atol=1e-6)
    assert loss.item() == pytest.approx((codebook.weight[chosen] - x).square().mean().item(), rel=1e-5)


def test_half_of_the_gradient_goes_to_the_code_and_half_straight_through() -> None:
    codebook = Codebook(4, 3)
    x = unit(5, 1, 3).requires_grad_()
    weights = torch.randn(5, 1, 3)
    (codebook(x, None).codes * weights).sum().backward()
    chosen = F.one_hot(codebook.nearest(x)[:, 0], 4).float()
    assert torch.allclose(x.grad, weights / 2)
    assert torch.allclose(codebook.weight.grad, chosen.T @ weights[:, 0] / 2, atol=1e-6)


def test_dead_codes_are_counted_in_training_only_and_real_frames_only() -> None:
    codebook = Codebook(3, 4)
    with torch.no_grad():
        codebook.weight.copy_(torch.eye(4)[:3])
    x, mask = torch.eye(4)[[0, 1]][:, None], torch.tensor([1.0, 0.0]).view(2, 1, 1)
    codebook.eval()(x, None)
    assert codebook.idle.tolist() == [0, 0, 0]
    codebook.train()
    for _ in range(DEAD_AFTER - 1):
        codebook(x, mask)
    assert codebook.dead == 0
    codebook(x, mask)
    assert (codebook.idle.tolist(), codebook.dead.item()) == ([0, DEAD_AFTER, DEAD_AFTER], 2)
    codebook(x, None)
    assert (codebook.idle.tolist(), codebook.dead.item()) == ([0, 0, DEAD_AFTER + 1], 1)


def test_the_speaker_is_what_quantisation_leaves_over() -> None:
    torch.manual_seed(0)
    model = VQVCModel(SMALL, 80).eval()
    mel = torch.randn(32, 2, 80)
    levels, _ = model.encoder(mel, None)
    x = mel
    for block, level in zip(model.encoder.blocks, levels, strict=True):
        x, _ = block(x, None)
        left = (x - level.content).mean(0)
        assert torch.allclose(F.cosine_similarity(level.speaker, left), torch.ones(2), atol=1e-5)
        assert torch.allclose(level.speaker.norm(dim=-1), torch.full((2,), 1 / 3), atol=1e-3)
    mask = torch.ones(32, 2, 1)
    mask[20:, 0] = 0
    noise = torch.randn(32, 2, 80)
    assert torch.allclose(rest(noise, mask)[0], rest(noise[:20], None)[0], atol=1e-6)


def test_group_normalisation_is_pytorchs_over_real_frames() -> None:
    norm = GroupNorm(4, 12)
    with torch.no_grad():
        norm.weight.copy_(torch.randn(12))
        norm.bias.copy_(torch.randn(12))
    x = torch.randn(9, 2, 12)
    mask = torch.ones(9, 2, 1)
    mask[5:, 1] = 0
    whole = F.group_norm(x.permute(1, 2, 0), 4, norm.weight, norm.bias).permute(2, 0, 1)
    part = F.group_norm(x[:5].permute(1, 2, 0), 4, norm.weight, norm.bias).permute(2, 0, 1)
    assert torch.allclose(norm(x, None), whole, atol=1e-5)
    assert torch.allclose(norm(x, mask)[:, 0], whole[:, 0], atol=1e-5)
    assert torch.allclose(norm(x, mask)[:5, 1], part[:, 1], atol=1e-5)


def published_name(name: str) -> str:
    """The published code's name for one of ours; its decoder begins with the deepest level."""
    layer = {"first": "0", "norm": "1", "second": "3"}
    match name.removeprefix("model.").split("."):
        case ["encoder", "blocks", number, "first", kind]:
            return f"enc.{number}.0.{kind}"
        case ["encoder", "blocks", number, "second", kind]:
            return f"enc.{number}.2.{kind}"
        case ["encoder", "codebooks", number, "weight"]:
            return f"quantize.{number}.embedding.weight"
        case ["decoder", number, block, part, kind]:
            kept = {"join": "resblock", "block": "blocks", "refine": "blocks_refine"}[block]
            return f"dec.{kept}.{2 - int(number)}.block.{layer[part]}.{kind}"
    raise AssertionError(name)


def test_the_published_architecture_in_pytorchs_layers_trains_the_same() -> None:
    torch.manual_seed(0)
    published, ours = ReferenceVQVC(SMALL, 80).double(), VQVC(SMALL, MelSettings()).double()
    state = published.state_dict()
    names = {name: published_name(name) for name, _ in ours.named_parameters()}
    assert set(names.values()) == set(state)
    ours.load_state_dict({name: state[theirs] for name, theirs in names.items()}, strict=False)
    batch = Batch(torch.randn(3, 80, 32, dtype=torch.double), torch.ones(3, 1, 32))
    losses = [model.loss(batch)["total"] for model in (published, ours)]
    for loss in losses:
        loss.backward()
    assert torch.allclose(*losses, rtol=1e-9)
    gradients = {name: parameter.grad for name, parameter in published.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert torch.allclose(parameter.grad, gradients[names[name]], rtol=1e-6, atol=1e-10), name


class Killed(Exception):
    pass


def test_a_killed_training_goes_on_to_the_same_weights_and_counts(small_split: Split, tmp_path: Path) -> None:
    def trained(folder: str, kill_at: int | None = None) -> VQVC:
        torch.manual_seed(0)
        system = VQVC(SMALL.model_copy(update={"training": TRAINING}), MelSettings())

        def track(row: dict[str, float]) -> None:
            if row["step"] == kill_at:
                raise Killed

        train(system, small_split.training, small_split.held_out, tmp_path / folder, 0, track=track)
        return system

    straight = trained("straight")
    with pytest.raises(Killed):
        trained("resumed", kill_at=4)
    resumed = trained("resumed")
    for name, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert sum(int(codebook.idle.sum()) for codebook in straight.model.encoder.codebooks) > 0
    rows = [json.loads(line) for line in (tmp_path / "resumed" / "train.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert all({"dead_codes", "held_out_reconstruction", "latent"} <= row.keys() for row in rows)
