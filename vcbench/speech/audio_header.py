"""What an audio file says of itself, and what of it cannot be true; nothing is decoded here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import soundfile

from vcbench.base.errors import UserError
from vcbench.base.nouns import counted

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif", ".au")
# libsndfile opens many more formats, whatever a file is called; some of those readers never end on a damaged file.
CONTAINERS = ("WAV", "WAVEX", "RF64", "FLAC", "OGG", "MP3", "AIFF", "AU", "NIST")
# How their files begin; MP3 has frames alone, or tags before them. NIST is what TIMIT calls .WAV.
BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"dns.", b"NIST_1A")
MINIMUM_RATE = 16_000  # Hz; below it speech lacks what tells voices apart, and speaker encoders expect it
MAXIMUM_RATE = 192_000  # Hz
MAXIMUM_CHANNELS = 2
MINIMUM_SECONDS = 0.1
MAXIMUM_SECONDS = 600.0
# Bits of a sample where all have as many; GSM, the smallest of the telephone codecs, has 33 bytes for 160 samples.
SAMPLE_BITS = {
    "PCM_S8": 8,
    "PCM_U8": 8,
    "ULAW": 8,
    "ALAW": 8,
    "PCM_16": 16,
    "PCM_24": 24,
    "PCM_32": 32,
    "FLOAT": 32,
    "DOUBLE": 64,
}
VARIABLE = ("FLAC", "OGG", "MP3")
SMALLEST_BITS = 1.6
SMALLEST_RATE = 1000  # bits a second; Opus, the smallest of these, has 6000 while somebody speaks
SLACK = 4096  # bytes; codecs fill up their last block


class AudioError(UserError):
    """A recording that cannot be used, with what is wrong, what is allowed and what to do."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    rate: int  # Hz
    channels: int
    seconds: float
    frames: int  # samples of one channel


def inspect(path: Path, minimum_rate: int = MINIMUM_RATE, maximum_seconds: float = MAXIMUM_SECONDS) -> AudioInfo:
    """Read a file's header, decoding nothing; raise `AudioError` for what the header shows to be unusable."""
    header = _open(path)
    _refuse_truncated(path, header.extra_info)
    rate, channels, frames = header.samplerate, header.channels, header.frames
    if not minimum_rate <= rate <= MAXIMUM_RATE:
        raise AudioError(
            f"{path}: sampled at {rate} Hz; allowed are {minimum_rate} to {MAXIMUM_RATE} Hz. "
            "Get the recording at its original rate: raising it afterwards restores nothing."
        )
    if not 1 <= channels <= MAXIMUM_CHANNELS:
        raise AudioError(
            f"{path}: {counted(channels, 'channel')}; allowed are 1 and 2. Keep the channel with the voice."
        )
    if frames >= 2**62:  # libsndfile's mark
        raise AudioError(f"{path}: the header does not say how long the recording is. Encode it again to a file.")
    seconds = frames / rate
    if seconds > maximum_seconds:
        raise AudioError(f"{path}: {seconds:.0f} s long; at most {maximum_seconds:.0f} s are allowed. Cut the file.")
    if seconds < MINIMUM_SECONDS:
        raise AudioError(
            f"{path}: only {seconds:.3f} s ({counted(frames, 'sample')}); at least {MINIMUM_SECONDS} s are needed."
        )
    _refuse_impossible_length(path, header)
    return AudioInfo(rate, channels, seconds, frames)


def _open(path: Path) -> soundfile._SoundFileInfo:
    """The header of a file that is there, not empty, and of a format that is read."""
    begins = _beginning(path)
    if not begins.startswith(BEGINNINGS) and not (begins[0] == 0xFF and begins[1:2] >= b"\xe0"):
        raise AudioError(f"{path}: not audio, or corrupt (it begins with {begins!r}). Get it again, or remove it.")
    try:
        header = soundfile.info(str(path))
    except (soundfile.SoundFileError, ValueError) as error:
        raise AudioError(f"{path}: not audio, or corrupt ({problem(error)}). Get it again, or remove it.") from error
    if header.format not in CONTAINERS:
        allowed = ", ".join(CONTAINERS)
        raise AudioError(f"{path}: its format is {header.format}; allowed are {allowed}. Convert the file.")
    return header


def _beginning(path: Path) -> bytes:
    """The first bytes of a file, at least one."""
    try:
        there = path.is_file()
    except OSError as error:  # e.g. a name that is too long
        raise AudioError(f"{path}: cannot be read: {error.strerror}.") from error
    if not there:
        raise AudioError(f"{path}: there is no such file.")
    if path.suffix.lower() not in SUFFIXES:
        raise AudioError(f"{path}: audio is read from {', '.join(SUFFIXES)}, not {path.suffix!r}. Convert the file.")
    try:
        with path.open("rb") as file:
            begins = file.read(8)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}. Give yourself access to it.") from error
    if not begins:
        raise AudioError(f"{path}: the file is empty (0 bytes). Get it again.")
    return begins


def problem(error: Exception) -> str:
    """What libsndfile says, which sometimes is nothing."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or "unknown error"


def _refuse_truncated(path: Path, log: str) -> None:
    """Formats whose length libsndfile quietly takes from what is left of a cut file: Ogg, WAV, AIFF, AU."""
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(max(0, path.stat().st_size - 70_000))  # an Ogg page has at most 65 307 bytes
        tail = file.read()
    cut = False
    if magic == b"OggS":
        page = tail.rfind(b"OggS")
        cut = page < 0 or len(tail) < page + 6 or not tail[page + 5] & 4  # the flag of the last page of a stream
    elif match := re.search(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", log, re.MULTILINE):
        promised, present = int(match[1]), int(match[2])
        cut = present < promised < 0x7FFF0000  # larger ones are written by programs that stream to a pipe
    if cut:
        raise AudioError(f"{path}: truncated: the file ends before the recording does. Get it again.")


def _refuse_impossible_length(path: Path, header: soundfile._SoundFileInfo) -> None:
    """A header that promises more than the file can hold: decoding would take memory and time for nothing."""
    seconds = header.frames / header.samplerate
    if header.format in VARIABLE:
        bits = SMALLEST_RATE * seconds
    else:
        bits = SAMPLE_BITS.get(header.subtype, SMALLEST_BITS) * header.frames * header.channels
    size = path.stat().st_size
    if size + SLACK < bits / 8:
        raise AudioError(
            f"{path}: corrupt or truncated: its header promises {seconds:.1f} s, but a file of "
            f"{counted(size, 'byte')} cannot hold more "
            f"than {seconds * 8 * size / bits:.1f} s of {header.subtype_info}. Get it again."
        )
