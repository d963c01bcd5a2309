"""Kokoro-82M: phonemes and a style in, speech out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from vcbench.speech.corpora.mini.make.fetch import model_file, vocabulary_file, voices_folder

Samples = NDArray[np.float32]
RATE = 24_000  # Hz
STYLES = (510, 256)  # a voice has a style for each number of phonemes
FRAME = 240  # samples, of the level that tells speech from silence
SILENCE = -45.0  # dB below the loudest frame
MARGIN = 0.06  # seconds kept before and after speech
PEAK = 0.85


class Kokoro:
    """The synthesiser, on one thread, so that several processes share the cores.

    Args:
        folder: what `fetch` wrote.
    """

    def __init__(self, folder: Path) -> None:
        from misaki.espeak import EspeakFallback
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = InferenceSession(model_file(folder), options, providers=["CPUExecutionProvider"])
        self._numbers: dict[str, int] = json.loads(vocabulary_file(folder).read_text(encoding="utf-8"))["vocab"]
        self._voices = voices_folder(folder)
        self._phonemes = {british: EspeakFallback(british) for british in (False, True)}

    def __call__(self, text: str, recipe: Mapping[str, float], speed: float) -> Samples:
        """(samples,) at `RATE`: `text` in the mean of the voices of `recipe`, weighted; silence is trimmed."""
        phonemes, _ = self._phonemes[is_british(recipe)](SimpleNamespace(text=text))
        tokens = [self._numbers[phoneme] for phoneme in phonemes if phoneme in self._numbers]
        style = sum(weight * self._style(voice, len(tokens)) for voice, weight in recipe.items())
        (wave,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": np.asarray(style, dtype=np.float32)[None],
                "speed": np.array([speed], dtype=np.float32),
            },
        )
        return trim(np.asarray(wave, dtype=np.float32).ravel())

    def _style(self, voice: str, length: int) -> Samples:
        styles = np.fromfile(self._voices / f"{voice}.bin", dtype="<f4").reshape(STYLES)
        return styles[min(length, len(styles)) - 1]


def is_british(recipe: Mapping[str, float]) -> bool:
    """Whether the first voice of a recipe is one of the British ones (``bf_``, ``bm_``); all others get American phonemes."""
    return next(iter(recipe)).startswith("b")


def trim(wave: Samples) -> Samples:
    """Cut silence at both ends down to `MARGIN`."""
    frames = wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() + SILENCE)
    margin = round(MARGIN * RATE)
    return wave[max(0, loud[0] * FRAME - margin) : (loud[-1] + 1) * FRAME + margin]


def at_level(wave: Samples, decibels: float) -> Samples:
    """`wave` at this root mean square, in dB of full scale, unless its peak would pass `PEAK`."""
    loudness = 10 ** (decibels / 20) / np.sqrt(np.mean(wave**2))
    scaled: Samples = wave * min(loudness, PEAK / np.abs(wave).max())
    return scaled
