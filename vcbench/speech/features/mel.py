"""Mel spectrograms as in MelGAN (Kumar et al. 2019, the published Audio2Mel), and their inversion."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from vcbench.base.nouns import counted
from vcbench.speech.audio import AudioError
from vcbench.speech.features.settings import MelSettings

INVERSION_STEPS = 30  # of the non-negative least squares; more make no audible difference to Griffin-Lim's result


def padding(settings: MelSettings) -> int:
    """Samples of reflection padding at each end, which gives `samples // hop` frames, none of them centred on an edge."""
    return (settings.fft_size - settings.hop) // 2


def filterbank(settings: MelSettings, device: torch.device | str = "cpu") -> Tensor:
    """(n_mels, fft_size // 2 + 1) float32: triangular filters on Slaney's mel scale, each of unit area (per Hz)."""
    return _filterbank(settings, torch.device(device))


@lru_cache(maxsize=8)
def _filterbank(settings: MelSettings, device: torch.device) -> Tensor:
    filters = melscale_fbanks(
        n_freqs=settings.fft_size // 2 + 1,
        f_min=settings.low,
        f_max=settings.high,
        n_mels=settings.n_mels,
        sample_rate=settings.sampling_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    return filters.T.contiguous().to(device)


def centres(settings: MelSettings) -> np.ndarray:
    """(n_mels,): the frequency in Hz at which each filter is largest, within half a bin of the transform."""
    bins: np.ndarray = filterbank(settings).argmax(dim=1).numpy()
    return bins * settings.sampling_rate / settings.fft_size


@lru_cache(maxsize=8)
def _pseudo_inverse(settings: MelSettings, device: torch.device) -> Tensor:
    # In float64: the lowest filters are narrower than a bin, which makes the bank ill-conditioned.
    return torch.linalg.pinv(_filterbank(settings, torch.device("cpu")).double()).float().to(device)


def magnitude_spectrogram(wave: Tensor, settings: MelSettings) -> Tensor:
    """Magnitudes of the short-time Fourier transform, at the frames of the mel spectrogram.

    Frame i is centred on sample (i + 0.5) * hop.

    Args:
        wave: (samples,) or (batch, samples) float.

    Returns:
        (fft_size // 2 + 1, frames) or (batch, fft_size // 2 + 1, frames), with frames = samples // hop.

    Raises:
        AudioError: the wave is too short to be reflected at its ends.
    """
    edge = padding(settings)
    if wave.shape[-1] <= edge:
        raise AudioError(
            f"The recording has {counted(wave.shape[-1], 'sample')} ({wave.shape[-1] / settings.sampling_rate:.3f} s); a mel "
            f"spectrogram needs at least {counted(edge + 1, 'sample')} ({(edge + 1) / settings.sampling_rate:.3f} s)."
        )
    batch = wave.reshape(-1, 1, wave.shape[-1])
    padded = torch.nn.functional.pad(batch, (edge, edge), mode="reflect")[:, 0]
    window = torch.hann_window(settings.fft_size, dtype=wave.dtype, device=wave.device)
    spectrum = torch.stft(
        padded, settings.fft_size, settings.hop, window=window, center=False, return_complex=True
    ).abs()
    return spectrum.reshape(*wave.shape[:-1], *spectrum.shape[1:])


def mel_spectrogram(wave: Tensor, settings: MelSettings) -> Tensor:
    """log10 of mel magnitudes, floored at `settings.floor`.

    Args:
        wave: (samples,) or (batch, samples) float, at `settings.sampling_rate`.

    Returns:
        (n_mels, frames) or (batch, n_mels, frames), with frames = samples // hop.

    Raises:
        AudioError: the wave is too short to be reflected at its ends.
    """
    magnitude = magnitude_spectrogram(wave, settings)
    mel = filterbank(settings, wave.device).to(magnitude) @ magnitude
    return mel.clamp(min=settings.floor).log10()


def linear_magnitude(mel: Tensor, settings: MelSettings, steps: int = INVERSION_STEPS) -> Tensor:
    """The magnitude spectrogram whose mel spectrogram comes closest: non-negative least squares.

    Starts from the clamped pseudo-inverse of the filterbank and applies multiplicative updates (Lee and Seung 2001),
    which keep all values non-negative and never increase the error. Frames are independent.

    Args:
        mel: (..., n_mels, frames) log10 mel magnitudes.

    Returns:
        (..., fft_size // 2 + 1, frames) magnitudes.
    """
    filters = filterbank(settings, mel.device).to(mel)
    target = 10.0**mel
    magnitude = (_pseudo_inverse(settings, mel.device).to(mel) @ target).clamp(min=settings.floor)
    numerator = filters.T @ target
    for _ in range(steps):
        magnitude = magnitude * numerator / (filters.T @ (filters @ magnitude)).clamp(min=1e-12)
    return magnitude
