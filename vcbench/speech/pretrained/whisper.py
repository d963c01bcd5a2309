"""Speech recognition by Whisper (Radford et al. 2023), in two engines, greedy and reproducible.

Each recording is transcribed independently, in windows of 30 s: the most likely token at each step, with openai-whisper's
suppressed symbols, without timestamps, previous text, voice activity detection or a second attempt at a higher temperature.
docs/measurements.md compares shorter windows, which faster-whisper can use for recordings that fit in them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from torch import Tensor

from vcbench.base.errors import ModelUnavailable, UserError
from vcbench.speech.pretrained import weights
from vcbench.speech.pretrained.whisper_engines import Decoder, FasterWhisper, OpenAIWhisper

ENGINES = ("faster-whisper", "openai-whisper")
PRECISIONS = ("float32", "float16", "int8")
RATE = 16_000  # Hz
FULL_WINDOW = 30.0  # seconds that Whisper's encoder was trained on
SHORTEST_WINDOW = 15.0  # seconds
COMPRESSIBLE = 2.4  # openai-whisper treats a text above it as a loop
SHORTEST_LOOP = 6  # words that repeat one phrase: "that was so, that was so", "no no no no no no"
FASTEST = 7.0  # words a second; auctioneers reach it


@dataclass(frozen=True)
class Transcript:
    """The text of a recording.

    Attributes:
        compression_ratio: size of the text divided by its compressed size, as openai-whisper computes it.
        loops: whether the recogniser repeats itself: the text compresses too well, repeats one phrase over six words or
            more, or has more words than anyone can say in the time.
    """

    text: str
    compression_ratio: float
    loops: bool


class Transcriber:
    """Whisper by name.

    Args:
        engine: "faster-whisper" (CTranslate2), or "openai-whisper" (PyTorch), which also reads faster-whisper's weights.
        model: "tiny.en" ... "large-v3".
        device: "cpu" or "cuda".
        path: the folder that holds the model; by default, the places where `vcbench.speech.pretrained.table` looks.
        beam: 1 is greedy.
        window: seconds that the encoder reads; shorter recordings are padded with silence. Less than 30 is faster and needs
            faster-whisper; a recording that does not fit, or whose text looks like a loop, gets the window of 30 s.
        precision: of the arithmetic; "int8" needs faster-whisper, "float16" needs a GPU.
        language: of the speech, in Whisper's code of two or three letters; a model whose name ends in ".en" knows English alone.

    Raises:
        ModelUnavailable: the model or the engine is not on this machine.
        UserError: an engine, model or setting that does not exist.
    """

    def __init__(
        self,
        engine: str = "faster-whisper",
        model: str = "tiny.en",
        device: str = "cpu",
        path: Path | str | None = None,
        beam: int = 1,
        window: float = FULL_WINDOW,
        precision: str = "float32",
        language: str = "en",
    ) -> None:
        check_settings(engine, model, beam, window, precision)
        check_language(model, language)
        folder = find_model(engine, model, path)
        self.window = window
        build = FasterWhisper if engine == "faster-whisper" else OpenAIWhisper
        self._decode: Decoder = build(folder, model, device, beam, precision, language)

    def transcribe(self, waves: Sequence[np.ndarray]) -> list[Transcript]:
        """One transcript for each wave (samples,) at 16 kHz; each is independent of the other waves."""
        short = [row for row, wave in enumerate(waves) if self.window < FULL_WINDOW and len(wave) <= self.window * RATE]
        heard = dict(zip(short, self._transcribe([waves[row] for row in short], self.window), strict=True))
        rest = [row for row in range(len(waves)) if row not in heard or heard[row].loops]
        heard |= zip(rest, self._transcribe([waves[row] for row in rest], FULL_WINDOW), strict=True)
        return [heard[row] for row in range(len(waves))]

    def _transcribe(self, waves: Sequence[np.ndarray], window: float) -> list[Transcript]:
        size = round(window * RATE)
        pieces = [[wave[begin : begin + size] for begin in range(0, max(len(wave), 1), size)] for wave in waves]
        mels = [self._mel(piece, size) for own in pieces for piece in own]
        texts = iter(self._decode(mels))
        return [
            transcript(" ".join(next(texts).strip() for _ in own).strip(), len(wave) / RATE)
            for own, wave in zip(pieces, waves, strict=True)
        ]

    def _mel(self, wave: np.ndarray, size: int) -> Tensor:
        """(n_mels, frames) of a wave padded with silence, as in Whisper's training."""
        from whisper import log_mel_spectrogram, pad_or_trim

        return log_mel_spectrogram(pad_or_trim(wave.astype(np.float32, copy=False), size), self._decode.n_mels)


def transcript(text: str, seconds: float) -> Transcript:
    """A transcript, checked for loops of the recogniser."""
    encoded = text.encode()
    ratio = len(encoded) / len(zlib.compress(encoded))
    words = re.findall(r"[\w']+", text.lower())
    too_fast = len(words) > FASTEST * max(seconds, 1.0)
    return Transcript(text, ratio, ratio > COMPRESSIBLE or too_fast or _repeats(words))


def _repeats(words: Sequence[str]) -> bool:
    for length in range(1, len(words) // 2 + 1):
        same = 0  # consecutive words that equal the word one phrase earlier
        for before, after in zip(words, words[length:], strict=False):
            same = same + 1 if before == after else 0
            if same >= max(length, SHORTEST_LOOP - length):
                return True
    return False


def check_settings(engine: str, model: str, beam: int, window: float, precision: str) -> None:
    """Raise UserError for settings that do not exist or do not go together."""
    if engine not in ENGINES:
        raise UserError(f"Unknown speech recognition engine {engine!r}. Available: {', '.join(ENGINES)}.")
    weights.get(f"{engine}/{model}")
    if beam < 1:
        raise UserError(f"beam is {beam}; it must be 1 (greedy) or more.")
    if precision not in PRECISIONS:
        raise UserError(f"precision is {precision!r}; allowed: {', '.join(PRECISIONS)}.")
    if engine == "openai-whisper" and (window != FULL_WINDOW or precision == "int8"):
        raise UserError(
            'The engine "openai-whisper" needs window = 30.0 and precision "float32" or "float16"; received '
            f"{window} and {precision!r}. Change these settings, or use the engine faster-whisper."
        )
    if not SHORTEST_WINDOW <= window <= FULL_WINDOW:
        raise UserError(f"window is {window} s; allowed: {SHORTEST_WINDOW:g} to {FULL_WINDOW:g}.")


def check_language(model: str, language: str) -> None:
    """Raise UserError for a language that Whisper does not have, or that the model does not know."""
    if language == "en":
        return
    from whisper.tokenizer import LANGUAGES  # here, because it imports much

    if language not in LANGUAGES:
        named = next((code for code, name in LANGUAGES.items() if name == language.lower()), None)
        hint = f"For {language}, write {named!r}." if named else f"Its languages: {', '.join(LANGUAGES)}."
        raise UserError(f"language = {language!r} is not a code of a language of Whisper. {hint}")
    if model.endswith(".en"):
        raise UserError(
            f"The model {model} knows English alone, and the language is {LANGUAGES[language]} ({language!r}). Choose a model of "
            f"many languages, e.g. {model.removesuffix('.en')} or large-v3."
        )


def find_model(engine: str, model: str, path: Path | str | None = None) -> Path:
    """The folder of a model's weights.

    Raises:
        ModelUnavailable: the model or the engine is not on this machine.
        WeightsError: there is no such model, or `path` does not hold it.
    """
    if engine == "faster-whisper" and find_spec("faster_whisper") is None:
        raise ModelUnavailable(
            "The engine faster-whisper is not installed. Install it with: pip install faster-whisper"
        )
    return weights.find(_name(engine, model, path), path)


def model_revision(engine: str, model: str, path: Path | str | None = None) -> str:
    """The revision of the weights that an engine reads, for a table's footnote."""
    return weights.revision(_name(engine, model, path), path)


def _name(engine: str, model: str, path: Path | str | None) -> str:
    """The model's name in the table of weights: openai-whisper's own file if present, else faster-whisper's if present."""
    own, other = f"{engine}/{model}", f"faster-whisper/{model}"
    weights.get(own)
    return other if path is None and weights.look(own) is None and weights.look(other) is not None else own
