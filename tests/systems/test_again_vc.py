"""AGAIN-VC: sizes, the published code's golden tensors, and the import of its checkpoints."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from vcbench.systems.again_vc.import_checkpoint import convert_checkpoint, import_checkpoint, rename
from vcbench.systems.again_vc.reference_model import ReferenceAgainVC
from vcbench.systems.again_vc.system import AgainConfig, AgainVC
from vcbench.systems.shared.autoencoder import activate

from vcbench.api.batch import Batch
from vcbench.api.checkpoint import CheckpointError
from vcbench.speech.features.settings import MelSettings

FIXTURE = "fixtures/again_vc_official_small.safetensors"


def parameters_of(n_mels: int, hidden: int, content: int, blocks: int, gru: int) -> int:
    def convolution(inputs: int, outputs: int, kernel: int) -> int:
        return inputs * outputs * kernel + outputs

    pair = 2 * convolution(hidden, hidden, 3) + 2 * hidden
    encoder = convolution(n_mels, hidden, 1) + blocks * pair + convolution(hidden, content, 1)
    recurrence = 3 * gru * (hidden + gru + 2) + 3 * gru * (2 * gru + 2)
    return encoder + convolution(content, hidden, 3) + 2 * blocks * pair + recurrence + gru * n_mels + n_mels


@pytest.mark.parametrize(("hidden", "content", "blocks", "gru"), [(256, 4, 6, 256), (16, 2, 3, 24)])
def test_parameter_count(hidden: int, content: int, blocks: int, gru: int) -> None:
    config = AgainConfig(hidden=hidden, content_channels=content, blocks=blocks, gru_hidden=gru)
    count = sum(parameter.numel() for parameter in AgainVC(config, MelSettings()).parameters())
    assert count == parameters_of(80, hidden, content, blocks, gru)


def test_the_default_is_the_published_recipe() -> None:
    config = AgainConfig()
    count = sum(parameter.numel() for parameter in AgainVC(config, MelSettings()).parameters())
    assert round(count / 1e6, 2) == 7.93
    training = config.training
    assert (training.learning_rate, training.betas, training.amsgrad) == (5e-4, (0.9, 0.999), True)
    assert (training.weight_decay, training.clip, training.batch_size) == (1e-4, 3.0, 32)
    assert (training.frames, training.steps) == (128, 100_000)


@pytest.mark.parametrize(
    ("name", "alpha", "expected"),
    [
        ("none", 1.0, [-2.0, 0.0, 3.0]),
        ("relu", 1.0, [0.0, 0.0, 3.0]),
        ("elu", 1.0, [-0.8646647, 0.0, 3.0]),
        ("tanh", 1.0, [-0.9640276, 0.0, 0.9950548]),
        ("sigmoid", 1.0, [0.1192029, 0.5, 0.9525741]),
        ("sigmoid", 0.1, [0.4501660, 0.5, 0.5744425]),
    ],
)
def test_activations(name: str, alpha: float, expected: list[float]) -> None:
    assert torch.allclose(activate(torch.tensor([-2.0, 0.0, 3.0]), name, alpha), torch.tensor(expected))


def test_the_mean_mel_is_the_first_output() -> None:
    torch.manual_seed(0)
    system = AgainVC(AgainConfig(hidden=8, gru_hidden=8, blocks=2), MelSettings())
    mean = torch.linspace(-4, 0, 80)
    system.initialise(mean, torch.ones(80), None)
    mel = torch.randn(16, 3, 80)
    assert (system.model.reconstruct(mel, None).mean((0, 1)) - mean).abs().mean() < 0.5


def test_over_the_batch_in_training_an_utterance_sees_its_neighbours() -> None:
    torch.manual_seed(0)
    mel = torch.randn(16, 3, 80)
    changed = mel.clone()
    changed[:, 0] += torch.randn(16, 80)
    for over_batch in (False, True):
        model = AgainVC(AgainConfig(hidden=8, gru_hidden=8, blocks=2, gru_over_batch=over_batch), MelSettings()).model
        # Batch normalisation always sees the neighbours, so it must not hide what the GRU does.
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.eval()
        same = torch.allclose(model.reconstruct(mel, None)[:, 1:], model.reconstruct(changed, None)[:, 1:], atol=1e-5)
        assert same is not over_batch


def published_name(name: str) -> str:
    """The published code's name for one of ours, written independently of `rename`."""
    parts = name.removeprefix("model.").split(".")
    layer = {"first": "0.conv", "norm": "1", "second": "3.conv"}
    match parts:
        case ["encoder", "blocks", number, pair, kind]:
            return f"encoder.conv1d_blocks.{number}.seq.{layer[pair]}.{kind}"
        case ["decoder", "blocks", number, block, pair, kind]:
            kept = {"first": "dec_block", "second": "gen_block"}[block]
            return f"decoder.conv_blocks.{number}.{kept}.{layer[pair]}.{kind}"
        case ["encoder", "first", kind]:
            return f"encoder.conv1d_first.conv.{kind}"
        case ["encoder", "last", kind]:
            return f"encoder.out_layer.conv.{kind}"
        case ["decoder", "first", kind]:
            return f"decoder.in_layer.conv.{kind}"
        case ["decoder", "recurrence", kind]:
            return f"decoder.rnn.{kind}"
        case ["decoder", "last", kind]:
            return f"decoder.out_layer.{kind}"
    raise AssertionError(name)


@pytest.fixture
def published() -> tuple[AgainVC, dict[str, Tensor]]:
    torch.manual_seed(0)
    config = AgainConfig(hidden=12, content_channels=3, blocks=4, gru_hidden=12, gru_over_batch=True)
    system = AgainVC(config, MelSettings(n_mels=20)).eval()
    return system, {published_name(name): value for name, value in system.state_dict().items()}


@pytest.mark.parametrize("wrapped", [True, False])
def test_import_infers_every_size(published: tuple[AgainVC, dict[str, Tensor]], wrapped: bool, tmp_path: Path) -> None:
    system, state = published
    torch.save({"model": state, "optimizer": {"state": {}}, "steps": 7} if wrapped else state, tmp_path / "official.pt")
    checkpoint = import_checkpoint(tmp_path / "official.pt", tmp_path / "out")
    loaded = AgainVC.load(checkpoint)
    assert loaded.config == system.config
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in system.state_dict().items())
    assert all(rename(published_name(name)) == name for name in system.state_dict())


class Evil:
    def __reduce__(self) -> tuple:
        return (print, ("code from a checkpoint has run",))


def test_import_runs_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evil.pt"
    torch.save({"model": Evil()}, path)
    with pytest.raises(CheckpointError, match="without running code"):
        convert_checkpoint(path)
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(CheckpointError, match="without running code"):
        convert_checkpoint(path)
    assert "has run" not in capsys.readouterr().out


def test_import_says_what_is_wrong(published: tuple[AgainVC, dict[str, Tensor]], tmp_path: Path) -> None:
    path = tmp_path / "official.pt"
    with pytest.raises(CheckpointError, match="There is no file"):
        convert_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot be read"):
        convert_checkpoint(path)
    torch.save(published[1], path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        convert_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match=r"holds no state dict.*list"):
        convert_checkpoint(path)
    torch.save({"weights": {}, "epoch": 3}, path)
    with pytest.raises(CheckpointError, match="weights, epoch"):
        convert_checkpoint(path)
    torch.save({"encoder.weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="not a checkpoint of AGAIN-VC's published model"):
        convert_checkpoint(path)
    missing = {
        name: value for name, value in published[1].items() if name != "decoder.conv_blocks.1.gen_block.3.conv.bias"
    }
    torch.save(missing, path)
    with pytest.raises(CheckpointError, match=r"decoder\.blocks\.1\.second\.second\.bias"):
        convert_checkpoint(path)


@pytest.mark.parametrize(("over_batch", "mel"), [(True, "mel_gru_over_batch"), (False, "mel_gru_over_time")])
def test_the_published_codes_tensors(shared: Path, tmp_path: Path, over_batch: bool, mel: str) -> None:
    golden = load_file(shared / FIXTURE)
    state = {name.removeprefix("state."): value for name, value in golden.items() if name.startswith("state.")}
    torch.save({"model": state, "optimizer": {}, "steps": 1}, tmp_path / "official.pt")
    system = convert_checkpoint(tmp_path / "official.pt", gru_over_batch=over_batch)
    source, target = (system.batch([golden[name][0]])[0] for name in ("source", "target"))
    with torch.no_grad():
        converted = system.model.convert(source, None, target, None).permute(1, 2, 0)
        content = system.model.encoder(source).content.permute(1, 2, 0)
        statistics = system.model.encoder(target).statistics[:-1]
    products = torch.cat([mean * deviation for mean, deviation in statistics], dim=1)[..., None]
    for ours, theirs in (
        (converted[..., : golden[mel].shape[-1]], golden[mel]),
        (content, golden["content"]),
        (products, golden["target_means_times_stds"]),
    ):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-5


@pytest.mark.parametrize("over_batch", [False, True])
def test_the_published_architecture_in_pytorchs_layers_trains_the_same(over_batch: bool) -> None:
    torch.manual_seed(0)
    config = AgainConfig(hidden=16, gru_hidden=24, blocks=3, gru_over_batch=over_batch)
    published, ours = ReferenceAgainVC(config, 80).double(), AgainVC(config, MelSettings()).double()
    ours.load_state_dict({rename(name): value for name, value in published.state_dict().items()})
    for norm in (m for model in (published, ours) for m in model.modules() if isinstance(m, torch.nn.BatchNorm1d)):
        # The published code runs its encoder twice, ours once on both inputs, so batch statistics differ by design.
        norm.eval()
    batch = Batch(torch.randn(4, 80, 33, dtype=torch.double), torch.ones(4, 1, 33))
    losses = [model.loss(batch)["total"] for model in (published, ours)]
    for loss in losses:
        loss.backward()
    assert torch.allclose(*losses, rtol=1e-9)
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters()}
    for name, parameter in published.named_parameters():
        assert torch.allclose(gradients[rename(name)], parameter.grad, rtol=1e-6, atol=1e-10), name
