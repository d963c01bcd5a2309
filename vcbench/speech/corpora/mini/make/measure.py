"""How a voice is measured: GE2E embeddings, word error rate by Whisper tiny.en, naturalness by DistillMOS."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vcbench.speech import audio
from vcbench.speech.pretrained.speaker_encoders import Ge2e
from vcbench.speech.pretrained.whisper import Transcriber

RATE = 16_000  # Hz, of all three models
Vectors = NDArray[np.float64]


def embed(path: Path) -> Vectors:
    """(256,) of unit length."""
    return np.asarray(_encoder()([audio.read(path, RATE)])[0], dtype=np.float64)


def errors(paths: Sequence[Path], texts: Sequence[str]) -> NDArray[np.int64]:
    """(files, 2): wrong words (substituted, deleted or inserted), and words of the text."""
    import jiwer

    heard = _transcriber().transcribe([audio.read(path, RATE) for path in paths])
    counts = []
    for text, found in zip(texts, heard, strict=True):
        aligned = jiwer.process_words(_normalise(text), _normalise(found.text))
        wrong = aligned.substitutions + aligned.deletions + aligned.insertions
        counts.append((wrong, len(_normalise(text).split())))
    return np.array(counts)


@torch.inference_mode()
def naturalness(path: Path) -> float:
    """DistillMOS, from 1 to 5."""
    return float(_opinion()(torch.from_numpy(audio.read(path, RATE))[None]))


def mean_direction(vectors: Sequence[Vectors]) -> Vectors:
    mean: Vectors = np.mean(vectors, axis=0)
    return mean / np.linalg.norm(mean)


def closest_pair(centres: dict[str, Vectors]) -> tuple[float, str, str]:
    """The largest cosine between two of several vectors of unit length, and whose they are."""
    names = sorted(centres)
    cosines = np.stack([centres[name] for name in names]) @ np.stack([centres[name] for name in names]).T
    cosines[np.tril_indices(len(names))] = -1
    first, second = np.unravel_index(cosines.argmax(), cosines.shape)
    return float(cosines[first, second]), names[first], names[second]


def equal_error_rate(embeddings: dict[str, list[Vectors]]) -> float:
    """Of telling "same speaker" from "another" by the cosine of any two recordings."""
    vectors = np.stack([vector for own in embeddings.values() for vector in own])
    owners = np.repeat(np.arange(len(embeddings)), [len(own) for own in embeddings.values()])
    upper = np.triu_indices(len(vectors), 1)
    cosines, same = (vectors @ vectors.T)[upper], (owners[:, None] == owners)[upper]
    order = np.argsort(cosines)
    missed = np.cumsum(same[order]) / same.sum()  # same, at or below the threshold
    accepted = 1 - np.cumsum(~same[order]) / (~same).sum()  # another, above it
    crossing = np.abs(missed - accepted).argmin()
    return float((missed[crossing] + accepted[crossing]) / 2)


@cache
def _encoder() -> Ge2e:
    return Ge2e("cpu")


@cache
def _transcriber() -> Transcriber:
    return Transcriber(window=15.0, precision="int8")


@cache
def _normaliser() -> Any:
    from whisper.normalizers import EnglishTextNormalizer

    return EnglishTextNormalizer()


def _normalise(text: str) -> str:
    normalised: str = _normaliser()(text)
    return normalised


@cache
def _opinion() -> Any:
    import contextlib
    import io

    from distillmos import ConvTransformerSQAModel

    with contextlib.redirect_stdout(io.StringIO()):  # it prints where it found its weights
        return ConvTransformerSQAModel().eval()
