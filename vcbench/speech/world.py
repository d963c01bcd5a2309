"""The reference rows: unconverted speech, real target speech, the vocoder alone and plain signal processing."""

from __future__ import annotations

import numpy as np
import pyworld
import torch
from torch import Tensor

from vcbench.speech.utterance import Utterance

FRAME_PERIOD = 5.0  # ms, WORLD's default
FORMANT_RATIOS = np.geomspace(0.75, 1.33, 25)  # candidates for the ratio of vocal-tract lengths


def convert_with_world(source: Utterance, references: tuple[Utterance, ...]) -> Tensor:
    """Match the source's log-F0 to the references' mean and deviation, and stretch its formant axis; (samples,).

    The stretch is the candidate ratio whose warped mean log spectral envelope over voiced frames is closest to the
    references', after removing each envelope's mean (loudness).

    Raises:
        ValueError: the source or all references have no voiced frame, so F0 is unknown.
    """
    rate = source.sampling_rate
    f0, envelope, aperiodicity = _analyse(source)
    analyses = [_analyse(reference) for reference in references]
    target_f0 = np.concatenate([analysis[0] for analysis in analyses])
    if not (f0 > 0).any() or not (target_f0 > 0).any():
        raise ValueError("WORLD found no voiced frame in the source or in the target's references.")
    source_log, target_log = np.log(f0[f0 > 0]), np.log(target_f0[target_f0 > 0])
    deviation = target_log.std() / max(source_log.std(), 1e-3)
    moved = np.where(
        f0 > 0, np.exp((np.log(np.maximum(f0, 1.0)) - source_log.mean()) * deviation + target_log.mean()), 0.0
    )
    target_envelope = np.concatenate([analysis[1][analysis[0] > 0] for analysis in analyses])
    ratio = _formant_ratio(envelope[f0 > 0], target_envelope)
    wave = pyworld.synthesize(moved, _stretch(envelope, ratio), _stretch(aperiodicity, ratio), rate, FRAME_PERIOD)
    return torch.from_numpy(wave[: source.wave.shape[0]]).float()


def _analyse(utterance: Utterance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    wave, rate = utterance.wave.double().numpy(), utterance.sampling_rate
    rough, times = pyworld.dio(wave, rate, frame_period=FRAME_PERIOD)
    f0 = pyworld.stonemask(wave, rough, times, rate)
    return f0, pyworld.cheaptrick(wave, f0, times, rate), pyworld.d4c(wave, f0, times, rate)


def _stretch(spectrum: np.ndarray, ratio: float) -> np.ndarray:
    """(frames, bins): content at frequency f moves to ratio * f."""
    bins = np.arange(spectrum.shape[1])
    position = np.minimum(bins / ratio, spectrum.shape[1] - 1)
    below = np.minimum(position.astype(int), spectrum.shape[1] - 2)
    share = position - below
    return np.ascontiguousarray(spectrum[:, below] * (1 - share) + spectrum[:, below + 1] * share)


def _formant_ratio(source_envelope: np.ndarray, target_envelope: np.ndarray) -> float:
    source_mean = np.log(source_envelope).mean(0, keepdims=True)
    target_mean = np.log(target_envelope).mean(0)
    used = slice(2, int(len(target_mean) * 0.55))  # up to about 6 kHz: above, the recording chain dominates

    def distance(ratio: float) -> float:
        moved = _stretch(source_mean, ratio)[0, used]
        wanted = target_mean[used]
        return float(np.abs((moved - moved.mean()) - (wanted - wanted.mean())).mean())

    return float(min(FORMANT_RATIOS, key=distance))
