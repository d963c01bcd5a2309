"""Make the spoken instructions of trap clips with flite (https://github.com/festvox/flite): `python make.py`."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import soundfile

VOICE = "slt"
NUMBERS = ("one", "two", "three", "four", "five")
PROMPTS = {
    **{
        f"rate_{value}": f"This is a test of attention. Please rate this one {word}."
        for value, word in enumerate(NUMBERS, 1)
    },
    **{
        f"choose_{letter}": f"This is a test of attention. Please choose recording {letter.upper()}." for letter in "ab"
    },
}


def main() -> None:
    """Write an Ogg Vorbis file per prompt next to this file, at flite's rate of 16 kHz."""
    for name, prompt in PROMPTS.items():
        with tempfile.NamedTemporaryFile(suffix=".wav") as spoken:
            subprocess.run(["flite", "-voice", VOICE, "-t", prompt, "-o", spoken.name], check=True)
            wave, rate = soundfile.read(spoken.name, dtype="float32")
        soundfile.write(str(Path(__file__).with_name(f"{name}.ogg")), wave, rate, format="OGG", subtype="VORBIS")


if __name__ == "__main__":
    main()
