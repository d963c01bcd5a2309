"""From masters to the corpus's Ogg Opus files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from vcbench.base.files import whole_file
from vcbench.base.nouns import counted
from vcbench.speech.corpora.mini import HERE, read_sayings
from vcbench.speech.corpora.mini.make.speak import MASTER

BITS = 23_000  # a second, on average
COMPRESSION = 1 - (BITS - 6_000) / 250_000  # libsndfile's scale from 256 kbit/s to 6 kbit/s


def encode(masters: Path, report: Callable[[int, int], None], audio: Path = HERE / "audio") -> None:
    """Encode every master that is there and has no recording in `audio` yet."""
    sayings = read_sayings()
    for count, saying in enumerate(sayings, 1):
        master, out = saying.file(masters, MASTER), saying.file(audio)
        if master.is_file() and not out.is_file():
            encode_file(master, out)
        report(count, len(sayings))


def encode_file(master: Path, out: Path) -> None:
    """
    Raises:
        RuntimeError: what libsndfile reads back is not as long as what it wrote.
    """
    wave, rate = soundfile.read(master, dtype="float32")
    with whole_file(out) as path:
        soundfile.write(path, wave, rate, format="OGG", subtype="OPUS", compression_level=COMPRESSION)
        back, read_rate = soundfile.read(path, dtype="float32")
        if (len(back), read_rate) != (len(wave), rate) or not np.isfinite(back).all():
            raise RuntimeError(
                f"{out}: {counted(len(back), 'sample')} at {read_rate} Hz came back of {len(wave)} at {rate} Hz."
            )
