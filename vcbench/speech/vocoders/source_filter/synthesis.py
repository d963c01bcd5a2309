"""From F0, voicing and envelopes to waves: a filtered pulse per period, and filtered noise.

Pulses are filtered one by one, at their own times, as WORLD does (Morise et al. 2016): filtering frames of a pulse train
instead lets neighbouring filters blur into each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vcbench.speech.features.mel import filterbank, padding
from vcbench.speech.features.settings import MelSettings

LOWEST = 50.0  # Hz; speech has nothing below, and an offset or a rumble would be heard as noise
NOISE_SEED = 0  # the same noise for every utterance, so that a result does not depend on its neighbours
QUIETEST = -14.0  # natural logarithm of power relative to the envelope: what counts as no noise


@dataclass
class Pulses:
    """When the voice's pulses are, in all rows of a batch.

    Attributes:
        row: (pulses,) int64, which utterance.
        place: (pulses,) float64, samples from the utterance's start; between samples too.
        period: (pulses,) float32, samples.
    """

    row: Tensor
    place: Tensor
    period: Tensor


def find_pulses(f0: Tensor, voiced: Tensor, mel: MelSettings) -> Pulses:
    """One pulse for each whole period of F0 that falls in a voiced frame.

    Args:
        f0: (batch, frames) Hz, above zero everywhere, at the frames' centres; linear in between.
        voiced: (batch, frames) bool.
    """
    samples = f0.shape[1] * mel.hop
    at = (torch.arange(samples, device=f0.device) + 0.5) / mel.hop - 0.5
    rate = _between(f0.double(), at.clamp(0, f0.shape[1] - 1).expand(len(f0), -1)) / mel.sampling_rate
    phase = rate.cumsum(1)
    whole = phase.floor()
    row, after = torch.nonzero(whole[:, 1:] > whole[:, :-1], as_tuple=True)
    after = after + 1
    period = 1 / rate[row, after]
    place = after - (phase - whole)[row, after] * period
    kept = voiced[row, (place / mel.hop).long().clamp(0, f0.shape[1] - 1)]
    return Pulses(row[kept], place[kept], period[kept].float())


def _between(values: Tensor, place: Tensor) -> Tensor:
    """(batch, frames) read at places (batch, samples) between the frames, linearly."""
    before = place.floor().long()
    share = (place - before).to(values)
    after = (before + 1).clamp_max(values.shape[1] - 1)
    return values.gather(1, before) * (1 - share) + values.gather(1, after) * share


def filter_pulses(pulses: Pulses, log_power: Tensor, mel: MelSettings) -> Tensor:
    """The sum of all pulses, each through the minimum-phase filter of its time.

    Args:
        log_power: (batch, fft_size // 2 + 1, frames), natural logarithm of the power per bin of a signal of this loudness.

    Returns:
        (batch, frames * hop).
    """
    batch, bins, frames = log_power.shape
    samples = frames * mel.hop + mel.fft_size
    summed = log_power.new_zeros(batch * samples)
    if not len(pulses.row):
        return summed.reshape(batch, samples)[:, : frames * mel.hop]
    at = ((pulses.place + 0.5) / mel.hop - 0.5).clamp(0, frames - 1)
    before = at.floor().long()
    after = (before + 1).clamp_max(frames - 1)
    share = (at - before).to(log_power)[:, None]
    by_frame = log_power.transpose(1, 2)
    power = by_frame[pulses.row, before] * (1 - share) + by_frame[pulses.row, after] * share
    power = power + _rumble_filter(mel, power.device)
    first = pulses.place.floor().long()
    late = (pulses.place - first).to(log_power)[:, None]
    turn = 2 * math.pi * torch.arange(bins, device=log_power.device) / mel.fft_size
    gain = pulses.period.sqrt()[:, None]
    response = torch.polar((power / 2).exp() * gain, minimum_phase(power / 2) - turn * late)
    waves = torch.fft.irfft(response, mel.fft_size)
    place = pulses.row[:, None] * samples + first[:, None] + torch.arange(mel.fft_size, device=log_power.device)
    summed = summed.index_add(0, place.flatten(), waves.flatten())
    return summed.reshape(batch, samples)[:, : frames * mel.hop]


def minimum_phase(log_magnitude: Tensor) -> Tensor:
    """Phase of the minimum-phase filter with these log magnitudes, (..., bins), by the folded cepstrum (Oppenheim and Schafer)."""
    size = 2 * (log_magnitude.shape[-1] - 1)
    cepstrum = torch.fft.irfft(log_magnitude, size)
    fold = torch.zeros(size, device=cepstrum.device)
    fold[0] = fold[size // 2] = 1
    fold[1 : size // 2] = 2
    return torch.fft.rfft(cepstrum * fold, size).imag


def filter_noise(noise: Tensor, log_power: Tensor, mel: MelSettings) -> Tensor:
    """White noise through a filter per frame.

    Args:
        noise: (batch, frames * hop + fft_size - hop), from `white_noise`.
        log_power: (batch, fft_size // 2 + 1, frames).

    Returns:
        (batch, frames * hop).
    """
    window = torch.hann_window(mel.fft_size, device=noise.device)
    spectrum = torch.stft(noise, mel.fft_size, mel.hop, window=window, center=False, return_complex=True)
    filtered = spectrum * ((log_power + _rumble_filter(mel, noise.device)[:, None]) / 2).exp()
    return overlap_add(filtered, mel)


def white_noise(samples: int) -> Tensor:
    """(samples,) float32 of unit power, the same at every call but for its length."""
    return torch.randn(samples, generator=torch.Generator().manual_seed(NOISE_SEED))


def overlap_add(spectrum: Tensor, mel: MelSettings) -> Tensor:
    """Inverse of the mel's short-time transform: (batch, bins, frames) complex -> (batch, frames * hop)."""
    window = torch.hann_window(mel.fft_size, device=spectrum.device)
    frames, edge = spectrum.shape[2], padding(mel)
    pieces = torch.fft.irfft(spectrum, mel.fft_size, dim=1) * window[:, None]
    squares = window.square()[None, :, None].expand(1, -1, frames)
    length = (frames - 1) * mel.hop + mel.fft_size
    summed, weight = (
        torch.nn.functional.fold(columns, (1, length), (1, mel.fft_size), stride=(1, mel.hop))[:, 0, 0]
        for columns in (pieces, squares)
    )
    return (summed / weight.clamp_min(1e-3))[:, edge : edge + frames * mel.hop]


def _rumble_filter(mel: MelSettings, device: torch.device) -> Tensor:
    """(bins,): logarithm of the power gain of a high-pass at `LOWEST`."""
    hertz = torch.arange(mel.fft_size // 2 + 1, device=device) * mel.sampling_rate / mel.fft_size
    return -torch.log1p((LOWEST / hertz.clamp_min(10.0)) ** 8)


def split_power(envelope: Tensor, aperiodicity: Tensor, voiced: Tensor) -> tuple[Tensor, Tensor]:
    """Log power of the pulses and of the noise; all (batch, bins, frames) but voiced (batch, frames) bool."""
    share = aperiodicity.clamp(QUIETEST, -1e-4)
    pulses = envelope + torch.log1p(-share.exp())
    return pulses, torch.where(voiced[:, None], envelope + share, envelope)


def project(wave: Tensor, log_mel: Tensor, mel: MelSettings, share: float = 1.0) -> Tensor:
    """Bring a wave's mel spectrogram closer to the wanted one: scale its short-time spectrum by their ratio.

    Args:
        wave: (batch, frames * hop).
        log_mel: (batch, n_mels, frames) log10 magnitudes.
        share: of the logarithm of the ratio; less than 1 leaves more of the wave's own texture.
    """
    filters = filterbank(mel, wave.device)
    bands = (filters / filters.sum(0).clamp_min(1e-9)).T  # a bin takes the mean of its bands
    window = torch.hann_window(mel.fft_size, device=wave.device)
    edge = padding(mel)
    mode = "reflect" if wave.shape[1] > edge else "constant"
    padded = torch.nn.functional.pad(wave[:, None], (edge, edge), mode=mode)
    spectrum = torch.stft(padded[:, 0], mel.fft_size, mel.hop, window=window, center=False, return_complex=True)
    own = (filters @ spectrum.abs()).clamp_min(mel.floor).log10()
    return overlap_add(spectrum * 10 ** (share * (bands @ (log_mel - own))), mel)
