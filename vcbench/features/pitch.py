"""F0 and voicing by WORLD, on the frames of the mel spectrogram."""

from __future__ import annotations

import numpy as np
import pyworld

from vcbench.features.settings import MelSettings, PitchSettings

DECIMATION = 4  # DIO looks for F0 in a low band; WORLD's authors allow up to 12


def pitch(wave: np.ndarray, settings: PitchSettings, mel: MelSettings) -> tuple[np.ndarray, np.ndarray]:
    """Contour of the fundamental frequency.

    Args:
        wave: (samples,) float64, at `mel.sampling_rate`.

    Returns:
        log_f0 (frames,) float32, natural logarithm of Hz and 0 where unvoiced; and voiced (frames,) bool; with
        frames = samples // hop. Frame i is that of time (i + 0.5) * hop, the centre of the mel's frame i.
    """
    frames = len(wave) // mel.hop
    half_hop = 500.0 * mel.hop / mel.sampling_rate  # milliseconds
    # WORLD's frames stand at multiples of its period, from zero: with half a hop, every second one is a mel frame's centre.
    if settings.method == "harvest":
        f0, times = pyworld.harvest(wave, mel.sampling_rate, settings.low, settings.high, half_hop)
    else:
        f0, times = pyworld.dio(
            wave, mel.sampling_rate, settings.low, settings.high, frame_period=half_hop, speed=DECIMATION
        )
    f0, times = np.ascontiguousarray(f0[1::2]), np.ascontiguousarray(times[1::2])
    if settings.method == "dio":
        f0 = pyworld.stonemask(wave, f0, times, mel.sampling_rate)
    f0 = f0[:frames]
    voiced = f0 > 0
    log_f0 = np.log(f0, out=np.zeros(frames), where=voiced).astype(np.float32)
    return log_f0, voiced
