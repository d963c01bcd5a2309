"""Constants of the signal representation, in one place. A checkpoint carries them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vcbench.base.settings import Strict

SILENCE = "SIL"

# Index 0 is for padding, and for recordings without recognised phones.
ARPABET = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
INVENTORY = ("", SILENCE, *ARPABET.split())


class MelSettings(Strict):
    """Mel spectrogram as in MelGAN (Kumar et al. 2019), which AGAIN-VC uses (section 3.1)."""

    sampling_rate: int = Field(22050, ge=1000, le=192_000)  # Hz
    fft_size: int = Field(1024, ge=2, le=65_536)  # samples, also the Hann window's length
    hop: int = Field(256, ge=1, le=65_536)  # samples
    n_mels: int = Field(80, ge=1, le=1024)
    low: float = 0.0  # Hz
    high: float = 11025.0  # Hz
    floor: float = 1e-5  # magnitude, before log10


class PitchSettings(Strict):
    """F0 by WORLD (Morise et al. 2016).

    Attributes:
        method: "dio" is DIO refined by StoneMask. "harvest" (Morise 2017) takes fifty times as long (0.5 s for 3 s of
            speech) and is no better here: on LibriSpeech and VCTK, DIO's voicing differs from pYIN's in 17 percent of
            frames and harvest's, which marks noise as voiced, in 28; F0 differs by more than a fifth in 3 and 5 percent.
    """

    method: Literal["dio", "harvest"] = "dio"
    low: float = 60.0  # Hz
    high: float = 600.0  # Hz


class TranscriptSettings(Strict):
    """The speech recogniser whose transcript is aligned if the corpus has no text."""

    engine: Literal["faster-whisper", "openai-whisper"] = "faster-whisper"
    model: str = "tiny.en"
