"""AutoVC: the code does not depend on padding, the speaker is GE2E's, and the published architecture in PyTorch's layers."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from vcbench.systems.autovc.model import AutoVCConfig, AutoVCModel, run_recurrence, scale, unscale
from vcbench.systems.autovc.reference_model import ReferenceAutoVC
from vcbench.systems.autovc.system import AutoVC

from tests.support.flows import MEL, utterances
from vcbench.api.batch import Batch
from vcbench.api.settings import TrainingSettings
from vcbench.speech.corpora.split import Split
from vcbench.speech.features.settings import MelSettings
from vcbench.speech.utterance import Speaker
from vcbench.training.loop import train

SMALL = AutoVCConfig(hidden=12, decoder_hidden=10, bottleneck=3, factor=8)
TRAINING = TrainingSettings(steps=6, batch_size=4, frames=20, learning_rate=1e-3, evaluate_every=2, checkpoint_every=2)


def model() -> AutoVCModel:
    """With every weight and running statistic away from its initial value, in evaluation mode."""
    torch.manual_seed(0)
    made = AutoVCModel(SMALL, 8)
    for _ in range(3):
        made.train().loss(torch.randn(24, 4, 8) - 2, torch.randn(4, 256), None)
    return made.eval()


def padded(mels: Sequence[Tensor], longer: int = 0) -> tuple[Tensor, Tensor]:
    """(frames, batch, n_mels) and mask of mels (frames, n_mels), padded by `longer` frames more than needed."""
    longest = max(map(len, mels)) + longer
    mel, mask = torch.zeros(longest, len(mels), mels[0].shape[-1]), torch.zeros(longest, len(mels), 1)
    for row, one in enumerate(mels):
        mel[: len(one), row], mask[: len(one), row] = one, 1
    return mel.to(mels[0].dtype), mask.to(mels[0].dtype)


def test_the_default_is_the_published_model() -> None:
    system = AutoVC(AutoVCConfig(), MelSettings())

    def convolution(inputs: int, outputs: int) -> int:
        return inputs * outputs * 5 + 3 * outputs

    def recurrence(inputs: int, hidden: int) -> int:
        return 4 * hidden * (inputs + hidden + 2)

    encoder = convolution(80 + 256, 512) + 2 * convolution(512, 512) + 2 * recurrence(512, 32) + 2 * recurrence(64, 32)
    decoder = recurrence(64 + 256, 512) + 3 * convolution(512, 512) + recurrence(512, 1024) + recurrence(1024, 1024)
    postnet = convolution(80, 512) + 3 * convolution(512, 512) + convolution(512, 80)
    expected = encoder + decoder + 1024 * 80 + 80 + postnet
    assert sum(parameter.numel() for parameter in system.parameters()) == expected
    training = system.config.training
    assert (training.steps, training.batch_size, training.frames, training.learning_rate) == (100_000, 2, 128, 1e-4)


def test_the_range_is_the_published_codes() -> None:
    magnitude = torch.tensor([1e-5, 1e-2, 1.0, 3.0])
    published = (20 * magnitude.log10() - 16 + 100) / 100
    assert torch.allclose(scale(magnitude.log10()), published, atol=1e-6)
    assert torch.allclose(unscale(published), magnitude.log10(), atol=1e-5)


@pytest.mark.parametrize("length", [1, 5, 8, 9, 16, 23])
def test_codes_depend_neither_on_padding_nor_on_neighbours(length: int) -> None:
    encoder = model().double().encoder
    mels = [torch.randn(frames, 8, dtype=torch.double) for frames in (length, 40, 3, 17)]
    speakers = torch.randn(4, 256, dtype=torch.double)
    alone, mask = encoder(mels[0][:, None], speakers[:1], None)
    assert mask is None
    assert alone.shape == (-(-length // 8), 1, 6)
    for longer in (0, 1, 8):
        mel, mask = padded(mels, longer)
        mel[mask.expand_as(mel) == 0] = 9.0  # what lies in padding is never seen
        codes, code_mask = encoder(mel, speakers, mask)
        assert torch.allclose(codes[: len(alone), 0], alone[:, 0], atol=1e-12)
        assert (codes[len(alone) :, 0] == 0).all()
        assert code_mask[:, 0, 0].sum() == len(alone)


@pytest.mark.parametrize("longer", [0, 7])
def test_padded_recurrences_equal_pytorchs_packed_sequences(longer: int) -> None:
    torch.manual_seed(0)
    recurrence, lengths = torch.nn.LSTM(8, 5, 2, bidirectional=True).double(), [1, 17, 4, 17]
    x, mask = padded([torch.randn(length, 8, dtype=torch.double) for length in lengths], longer)
    outputs, gradients = [], []
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=False)
    for result in (
        torch.nn.utils.rnn.pad_packed_sequence(recurrence(packed)[0], total_length=len(x))[0],
        run_recurrence(recurrence, x + 9 * (1 - mask), mask),  # what lies in padding is never seen
    ):
        outputs.append(result)
        gradients.append(torch.autograd.grad(result.square().sum(), list(recurrence.parameters())))
    assert torch.allclose(*outputs, atol=1e-12)
    for packed_gradient, gradient in zip(*gradients, strict=True):
        assert torch.allclose(packed_gradient, gradient, atol=1e-12)


def test_a_code_is_the_last_state_forwards_and_the_first_backwards_of_a_window() -> None:
    encoder = model().encoder
    states = torch.randn(20, 1, 6)
    encoder.recurrence.forward = lambda x: (states, None)  # the windows are 0-7, 8-15, 16-19
    codes, _ = encoder(torch.randn(20, 1, 8), torch.randn(1, 256), None)
    assert torch.equal(codes[:, 0, :3], states[[7, 15, 19], 0, :3])
    assert torch.equal(codes[:, 0, 3:], states[[0, 8, 16], 0, 3:])


def test_padding_does_not_enter_the_losses() -> None:
    mels, speakers = [torch.randn(frames, 8) - 2 for frames in (24, 11, 6)], torch.randn(3, 256)
    trained = model().double()
    short, long = (
        trained.loss(mel.double(), speakers.double(), mask.double()) for mel, mask in (padded(mels), padded(mels, 5))
    )
    alone = [
        trained.loss(mel[:, None].double(), speakers[row : row + 1].double(), None) for row, mel in enumerate(mels)
    ]
    for name, value in short.items():
        assert torch.allclose(value, long[name], atol=1e-12), name
    for name in ("reconstruction", "before_postnet"):
        assert short[name].item() == pytest.approx(
            sum(losses[name].item() * len(mel) for losses, mel in zip(alone, mels, strict=True)) / 41
        )


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    system = AutoVC(SMALL, MEL).train()
    batch = Batch(torch.randn(3, 8, 24) - 2, torch.ones(3, 1, 24), speaker=torch.tensor([0, 1, 1]))
    system.initialise(batch.mel.mean((0, 2)), batch.mel.std((0, 2)), batch)
    system.tables[True] = torch.randn(2, 256)
    system.loss(batch)["total"].backward()
    for name, parameter in system.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith("convolution.bias"):  # batch normalisation removes it
            assert parameter.grad.abs().sum() > 0, name


def test_the_mean_mel_is_the_first_output() -> None:
    mean = torch.linspace(-4, 0, 8)
    errors = []
    for initialised in (False, True):
        torch.manual_seed(0)
        made = AutoVCModel(SMALL, 8)
        if initialised:
            made.initialise(mean)
        mel, speaker = torch.randn(24, 3, 8) - 2, torch.randn(3, 256)
        final = made.decode(made.encoder(scale(mel), speaker, None)[0], speaker, 24, None)[1]
        errors.append((unscale(final) - mean).abs().mean().item())
    assert errors[1] < errors[0] / 3


def test_ge2e_conditions_it() -> None:
    assert SMALL.speaker_encoder == "ge2e"


def test_converting_together_equals_converting_alone_and_a_loaded_one_converts_the_same(tmp_path: Path) -> None:
    pytest.importorskip("resemblyzer")
    system = AutoVC(SMALL, MEL)
    system.model = model()
    sources = utterances(a_1=100, a_2=63, b_1=121)
    targets = [Speaker("c", tuple(utterances(c_1=90, c_2=70))), Speaker("d", tuple(utterances(d_1=110)))]
    pairs = [(source, target) for source in sources for target in targets]
    together = system.convert_batch(*zip(*pairs, strict=True))
    alone = [system.convert(*pair) for pair in pairs]
    for (source, _), one, other in zip(pairs, together, alone, strict=True):
        assert one.shape == source.mel.shape
        assert torch.allclose(one, other, atol=1e-4, rtol=0)
    assert (alone[0] - alone[1]).abs().max() > 1e-4  # the target is heard
    first = Speaker("c", targets[0].utterances[:1])
    assert torch.equal(system.convert(sources[0], first), alone[0])  # one-shot: only the first recording
    system.save(tmp_path / "checkpoint.safetensors")
    loaded = AutoVC.load(tmp_path / "checkpoint.safetensors", MEL)
    assert torch.equal(loaded.convert(*pairs[0]), alone[0])
    latents = system.latents(sources[0])
    assert (latents["content"].shape, latents["speaker"].shape) == ((6, 13), (256,))
    assert system.training  # as it was before


def test_a_killed_training_goes_on_to_the_same_weights(small_split: Split, tmp_path: Path) -> None:
    pytest.importorskip("resemblyzer")

    class Killed(Exception):
        pass

    def trained(folder: str, kill_at: int | None = None) -> AutoVC:
        torch.manual_seed(0)
        system = AutoVC(SMALL.model_copy(update={"training": TRAINING}), MelSettings())

        def track(row: dict[str, float]) -> None:
            if row["step"] == kill_at:
                raise Killed

        train(system, small_split.training[:6], small_split.held_out[:4], tmp_path / folder, 0, track=track)
        return system

    straight = trained("straight")
    with pytest.raises(Killed):
        trained("resumed", kill_at=4)
    resumed = trained("resumed")
    for name, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    speakers = {utterance.speaker for utterance in small_split.training[:6]}
    assert straight.tables[True].shape == (len(speakers), 256)


def published_name(name: str) -> str:
    """The published code's name for one of ours."""
    layer = {"convolution": "0.conv", "norm": "1"}
    match name.removeprefix("model.").split("."):
        case [part, "layers", number, kind, weight]:
            return f"{part}.convolutions.{number}.{layer[kind]}.{weight}"
        case ["postnet", "last", kind, weight]:
            return f"postnet.convolutions.4.{layer[kind]}.{weight}"
        case ["encoder", "recurrence", weight]:
            return f"encoder.lstm.{weight}"
        case ["decoder", "first" | "second" as which, weight]:
            return f"decoder.lstm{1 if which == 'first' else 2}.{weight}"
        case ["decoder", "last", weight]:
            return f"decoder.linear_projection.linear_layer.{weight}"
    raise AssertionError(name)


def test_the_published_architecture_in_pytorchs_layers_trains_the_same() -> None:
    torch.manual_seed(0)
    published, ours = ReferenceAutoVC(SMALL, 80).double(), AutoVC(SMALL, MelSettings()).double()
    names = {name: published_name(name) for name in ours.state_dict()}
    assert set(names.values()) == set(published.state_dict())
    ours.load_state_dict({name: published.state_dict()[theirs] for name, theirs in names.items()})
    ours.tables[True] = torch.randn(2, 256, dtype=torch.double)
    batch = Batch(torch.randn(3, 80, 24, dtype=torch.double), torch.ones(3, 1, 24), speaker=torch.tensor([0, 1, 1]))
    losses = [
        published.loss(batch, ours.tables[True][batch.speaker])["total"],
        ours.train().loss(batch)["total"],
    ]
    for loss in losses:
        loss.backward()
    assert torch.allclose(*losses, rtol=1e-9)
    gradients = {name: parameter.grad for name, parameter in published.named_parameters()}
    for name, parameter in ours.named_parameters():
        assert torch.allclose(parameter.grad, gradients[names[name]], rtol=1e-6, atol=1e-10), name
