"""The mel spectrogram against librosa and a direct Fourier transform; and its inverse."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vcbench.speech.audio import AudioError
from vcbench.speech.features.mel import filterbank, linear_magnitude, magnitude_spectrogram, mel_spectrogram, padding
from vcbench.speech.features.settings import MelSettings

SETTINGS = MelSettings()


SHORTEST = padding(SETTINGS) + 1


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("settings", [SETTINGS, MelSettings(high=8000.0), MelSettings(n_mels=40, low=50.0)])
def test_filterbank_is_librosas(settings: MelSettings) -> None:
    expected = librosa.filters.mel(
        sr=settings.sampling_rate,
        n_fft=settings.fft_size,
        n_mels=settings.n_mels,
        fmin=settings.low,
        fmax=settings.high,
    )
    np.testing.assert_allclose(filterbank(settings).numpy(), expected, atol=2e-7)


def test_mel_is_that_of_a_direct_transform() -> None:
    wave = noise(5000).double()
    padded = np.pad(wave.numpy(), 384, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    frames = np.stack([padded[begin : begin + 1024] * window for begin in range(0, len(padded) - 1023, 256)])
    magnitude = np.abs(np.fft.rfft(frames)).T
    bank = librosa.filters.mel(sr=22050, n_fft=1024, n_mels=80, fmin=0, fmax=11025)
    expected = np.log10(np.maximum(bank @ magnitude, 1e-5))
    assert expected.shape == (80, 5000 // 256)
    np.testing.assert_allclose(mel_spectrogram(wave, SETTINGS).numpy(), expected, atol=1e-5)


@given(st.integers(SHORTEST, 6000))
def test_frames_are_samples_divided_by_the_hop(samples: int) -> None:
    mel = mel_spectrogram(noise(samples), SETTINGS)
    assert mel.shape == (80, samples // 256)
    assert mel.dtype == torch.float32


@given(st.integers(SHORTEST, 6000), st.integers(1, 3))
def test_a_batch_is_its_rows(samples: int, rows: int) -> None:
    waves = torch.stack([noise(samples, row) for row in range(rows)])
    batch = mel_spectrogram(waves, SETTINGS)
    for row in range(rows):
        torch.testing.assert_close(batch[row], mel_spectrogram(waves[row], SETTINGS))


def test_silence_lies_on_the_floor() -> None:
    mel = mel_spectrogram(torch.zeros(3000), SETTINGS)
    torch.testing.assert_close(mel, torch.full((80, 11), -5.0))


def test_frames_are_centred_half_a_hop_into_their_samples() -> None:
    wave = torch.zeros(256 * 20)
    wave[10 * 256 + 128] = 1.0
    energy = magnitude_spectrogram(wave, SETTINGS).sum(0)
    assert energy.argmax() == 10
    torch.testing.assert_close(energy[9], energy[11])


def test_too_short_a_wave_is_an_error_that_says_so() -> None:
    with pytest.raises(AudioError, match=f"384 samples .* at least {SHORTEST} samples"):
        mel_spectrogram(noise(SHORTEST - 1), SETTINGS)


def test_linear_magnitude_has_the_mel_it_is_made_from() -> None:
    time = torch.arange(22050) / 22050
    wave = sum(torch.sin(2 * torch.pi * 140 * harmonic * time) / harmonic for harmonic in range(1, 40)) * 0.1
    wave = wave + noise(22050) * 0.05
    mel = mel_spectrogram(wave, SETTINGS)
    magnitude = linear_magnitude(mel, SETTINGS)
    assert magnitude.shape == (513, mel.shape[-1])
    assert (magnitude >= 0).all()
    again = (filterbank(SETTINGS) @ magnitude).clamp(min=1e-5).log10()
    assert (again - mel).abs().mean() < 0.01
    # More steps come closer, and frames are independent.
    rough = (filterbank(SETTINGS) @ linear_magnitude(mel, SETTINGS, steps=0)).clamp(min=1e-5).log10()
    assert (again - mel).abs().mean() < 0.5 * (rough - mel).abs().mean()
    torch.testing.assert_close(linear_magnitude(mel[:, 5:6], SETTINGS), magnitude[:, 5:6], rtol=1e-3, atol=1e-4)


def test_linear_magnitude_of_silence_is_silent() -> None:
    magnitude = linear_magnitude(torch.full((80, 3), -5.0), SETTINGS)
    assert torch.isfinite(magnitude).all()
    assert magnitude.max() < 1e-2
