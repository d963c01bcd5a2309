"""Recordings of the embedded corpus for tests."""

from __future__ import annotations

import numpy as np

from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus


def sentence(voice: str) -> np.ndarray:
    """Sentence p01 as a voice of the embedded corpus says it, (samples,) at 16 kHz."""
    speaker = next(one for one in load_corpus("mini").speakers if one.id == voice)
    spoken = next(one for one in speaker.utterances if one.id.endswith("p01"))
    return audio.read(spoken.path, 16_000, spoken.span)
