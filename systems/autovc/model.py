"""AutoVC's autoencoder: Qian, Zhang, Chang, Yang and Hasegawa-Johnson 2019, "AutoVC: Zero-shot voice style transfer with only
autoencoder loss", in the form of its published code (github.com/auspicious3000/autovc).

Tensors are (frames, batch, channels); a mask is (frames, batch, 1), 1 where real, or ``None`` where every frame is. Mels are scaled
(`scale`). Speaker embeddings are (batch, 256), of length one. Codes are (windows, batch, 2 * bottleneck), a window being `factor`
frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from vcbench.api.settings import SystemConfig, TrainingSettings

from ..layers.adain import masked, mean_absolute_error
from ..layers.conv import BatchNorm, Convolution
from ..shared.mel_flow.speaker import GE2E_CHANNELS

KERNEL = 5
LAYERS = 3  # convolutions of the encoder and of the decoder
POSTNET_LAYERS = 5
POSTNET_START = 0.02  # deviation of what the postnet adds before training, in scaled mels, whose own is 0.15 or so


class AutoVCConfig(SystemConfig):
    """Sizes of the published model; the training is the paper's (section 5).

    Attributes:
        hidden: channels of every convolution, and of the decoder's first recurrence.
        decoder_hidden: channels of the decoder's last recurrences.
        bottleneck: channels of the code in each direction.
        factor: frames per code. The published training script has bottleneck 16 and factor 16.
        initial_weight: weight of the reconstruction before the postnet, the paper's mu.
        content_weight: weight of the content code's loss, the paper's lambda.
    """

    hidden: PositiveInt = 512
    decoder_hidden: PositiveInt = 1024
    bottleneck: PositiveInt = 32
    factor: PositiveInt = 32
    initial_weight: NonNegativeFloat = 1.0
    content_weight: NonNegativeFloat = 1.0
    training: TrainingSettings = TrainingSettings(steps=100_000, batch_size=2, learning_rate=1e-4)

    @property
    def speaker_encoder(self) -> str:
        return "ge2e"


def scale(mel: Tensor) -> Tensor:
    """log10 magnitude to the range of the published code, where -4.2 is 0 and 0.8 is 1: decibels less 16, plus 100, by 100."""
    return 0.2 * mel + 0.84


def unscale(mel: Tensor) -> Tensor:
    return (mel - 0.84) / 0.2


def run_recurrence(recurrence: nn.LSTM, x: Tensor, mask: Tensor | None) -> Tensor:
    """The outputs of a bidirectional LSTM from a zero state, zero in padding; backwards, an utterance begins at its own last frame.

    PyTorch's packed sequences need the lengths on the host. Here each utterance is reversed within its length, on the device.
    """
    if mask is None:
        return recurrence(x)[0]
    order = reversal(mask)
    directions = iter(recurrence.all_weights)
    for forwards, backwards in zip(directions, directions, strict=True):  # of each layer
        reversed_states = run_direction(backwards, reverse(x, order), recurrence.training)
        x = torch.cat([run_direction(forwards, x, recurrence.training), reverse(reversed_states, order)], dim=-1)
    return x * mask


def run_direction(weights: Sequence[Tensor], x: Tensor, training: bool) -> Tensor:
    """One layer of an LSTM in one direction; `weights` are those of `nn.LSTM.all_weights`."""
    zero = x.new_zeros(1, x.shape[1], weights[1].shape[1])
    return torch.lstm(x, (zero, zero), list(weights), True, 1, 0.0, training, False, False)[0]


def reversal(mask: Tensor) -> Tensor:
    """(frames * batch,) int64: the frame of the batch to take at each place, so that each utterance is reversed before its padding."""
    frames, batch = mask.shape[:2]
    frame, row = torch.arange(frames, device=mask.device)[:, None], torch.arange(batch, device=mask.device)
    lengths = mask[..., 0].sum(0).long()
    return (torch.where(frame < lengths, lengths - 1 - frame, frame) * batch + row).flatten()


def reverse(x: Tensor, order: Tensor) -> Tensor:
    return x.flatten(0, 1).index_select(0, order).view_as(x)


class Layer(nn.Module):
    """A convolution and a batch normalisation; weights as the published code initialises them (Glorot, by the `activation` after)."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, outputs, KERNEL)
        nn.init.xavier_uniform_(self.convolution.weight, nn.init.calculate_gain(activation))  # type: ignore[arg-type]
        self.norm = BatchNorm(outputs)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return self.norm(self.convolution(masked(x, mask)), mask)


class Encoder(nn.Module):
    """The content encoder, which sees the source's speaker embedding in every frame."""

    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        self.factor = config.factor
        inputs = [n_mels + GE2E_CHANNELS, config.hidden, config.hidden]
        self.layers = nn.ModuleList(Layer(channels, config.hidden, "relu") for channels in inputs)
        self.recurrence = nn.LSTM(config.hidden, config.bottleneck, 2, bidirectional=True)

    def forward(self, mel: Tensor, speaker: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The codes and their mask: forwards the state after a window's last frame, backwards that after its first.

        The last window of an utterance may be shorter than `factor`: nothing is padded to a multiple of it.
        """
        x = torch.cat([mel, speaker.expand(mel.shape[0], -1, -1)], dim=-1)
        for layer in self.layers:
            x = F.relu(layer(x, mask))
        forwards, backwards = run_recurrence(self.recurrence, x, mask).chunk(2, dim=-1)
        begins = torch.arange(0, mel.shape[0], self.factor, device=mel.device)[:, None]
        lengths = mel.shape[0] if mask is None else mask[..., 0].sum(0).long()
        ends = (begins + self.factor - 1).clamp(max=lengths - 1)
        row = torch.arange(mel.shape[1], device=mel.device)
        codes = torch.cat([forwards[ends, row], backwards[begins, row]], dim=-1)
        return (codes, None) if mask is None else (codes * mask[:: self.factor], mask[:: self.factor])


class Decoder(nn.Module):
    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        self.factor = config.factor
        self.first = nn.LSTM(2 * config.bottleneck + GE2E_CHANNELS, config.hidden)
        self.layers = nn.ModuleList(Layer(config.hidden, config.hidden, "relu") for _ in range(LAYERS))
        self.second = nn.LSTM(config.hidden, config.decoder_hidden, 2)
        self.last = nn.Linear(config.decoder_hidden, n_mels)
        nn.init.xavier_uniform_(self.last.weight)

    def forward(self, codes: Tensor, speaker: Tensor, frames: int, mask: Tensor | None) -> Tensor:
        """Each code is repeated for the frames of its window; the recurrences run forwards only, so padding does not reach back."""
        x = codes.repeat_interleave(self.factor, dim=0)[:frames]
        x = self.first(torch.cat([x, speaker.expand(frames, -1, -1)], dim=-1))[0]
        for layer in self.layers:
            x = F.relu(layer(x, mask))
        return self.last(self.second(x)[0])


class Postnet(nn.Module):
    """What is added to the decoder's mel."""

    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        inputs = [n_mels, *[config.hidden] * (POSTNET_LAYERS - 2)]
        self.layers = nn.ModuleList(Layer(channels, config.hidden, "tanh") for channels in inputs)
        self.last = Layer(config.hidden, n_mels, "linear")

    def forward(self, mel: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layers:
            mel = torch.tanh(layer(mel, mask))
        return self.last(mel, mask)


class AutoVCModel(nn.Module):
    def __init__(self, config: AutoVCConfig, n_mels: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, n_mels)
        self.decoder = Decoder(config, n_mels)
        self.postnet = Postnet(config, n_mels)

    def initialise(self, mel_mean: Tensor) -> None:
        """Start the output at the corpus's mean mel, and the postnet's part of it small: this saves some thousand steps."""
        with torch.no_grad():
            self.decoder.last.bias.copy_(scale(mel_mean))
            self.postnet.last.norm.weight.fill_(POSTNET_START)

    def decode(self, codes: Tensor, speaker: Tensor, frames: int, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """The scaled mel before and after the postnet."""
        initial = self.decoder(codes, speaker, frames, mask)
        return initial, initial + self.postnet(initial, mask)

    def loss(self, mel: Tensor, speaker: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """Squared errors of the scaled mel after and before the postnet, and the content code's L1 distance to that of the output."""
        x = scale(mel)
        codes, code_mask = self.encoder(x, speaker, mask)
        initial, final = self.decode(codes, speaker, x.shape[0], mask)
        reconstruction, before_postnet = squared_error(final, x, mask), squared_error(initial, x, mask)
        content = mean_absolute_error(self.encoder(final, speaker, mask)[0], codes, code_mask)
        total = reconstruction + self.config.initial_weight * before_postnet + self.config.content_weight * content
        return {"total": total, "reconstruction": reconstruction, "before_postnet": before_postnet, "content": content}

    def convert(self, source: Tensor, source_speaker: Tensor, target_speaker: Tensor, mask: Tensor | None) -> Tensor:
        """log10 mel of the source -> log10 mel in the target's voice."""
        codes, _ = self.encoder(scale(source), source_speaker, mask)
        return unscale(self.decode(codes, target_speaker, source.shape[0], mask)[1])


def squared_error(prediction: Tensor, truth: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over all real frames and channels of the batch."""
    if mask is None:
        return F.mse_loss(prediction, truth)
    return ((prediction - truth).square() * mask).sum() / (mask.sum() * truth.shape[-1])
