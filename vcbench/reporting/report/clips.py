"""Recordings of a report's trials: mel spectrograms and waveforms, and for a page that is mailed the audio itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import matplotlib
import numpy as np
import soundfile
import torch
from PIL import Image

from vcbench.base.files import write_bytes
from vcbench.reporting.sanity import FLOOR
from vcbench.speech import audio
from vcbench.speech.features.mel import mel_spectrogram

if TYPE_CHECKING:
    from vcbench.run.run import Run

GIVEN = (FLOOR, "reference")  # what the systems convert, and the recording of the target that they get; listed first
RANGE = 4.0  # decades of magnitude from a trial's loudest band to black: 80 dB
LEVELS = 32  # of brightness, and of a waveform's height: more would be hardly visible and make the page larger
PIXELS = 320  # maximum width of a spectrogram
PEAKS = 160  # of a waveform
PALETTE = (matplotlib.colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3] * 255).astype(np.uint8).tobytes()
OPUS_RATE = 24000  # Hz: the one of Opus's rates that keeps all of the usual 22.05 kHz
OPUS_COMPRESSION = 0.9  # of soundfile: 34 kbit/s, transparent for speech


@dataclass(frozen=True)
class Clip:
    """A recording as the page shows it.

    Attributes:
        mel: address of the spectrogram's picture.
        peaks: the waveform, a character per column of the picture: code 48 is silence, 48 + LEVELS - 1 the trial's loudest.
        audio: address of the audio, if it is not the conversion in the run's folder.
    """

    mel: str
    peaks: str
    seconds: float
    audio: str = ""

    @property
    def size(self) -> int:
        """Characters on the page."""
        return len(self.mel) + len(self.peaks) + len(self.audio)


def draw(run: Run, trials: Sequence[str], embed: bool) -> Iterator[tuple[str, dict[str, Clip]]]:
    """Trials with clips by row, in the order given; one without recordings has none.

    Pictures, and recordings that are not in the run's folder, are written to its `clips`; with `embed` they are data URLs,
    and so is all audio.
    """
    table = run.trials.set_index("trial", drop=False)
    with ThreadPoolExecutor() as pool:
        yield from zip(trials, pool.map(lambda name: _trial(run, table.loc[name], embed), trials), strict=True)


def _trial(run: Run, trial: object, embed: bool) -> dict[str, Clip]:
    waves = dict(_waves(run, trial))
    if not waves:
        return {}
    settings = run.config.features.mel
    mels = {row: mel_spectrogram(torch.from_numpy(wave), settings).numpy() for row, wave in waves.items()}
    loudest = max(float(mel.max()) for mel in mels.values())
    peak = max(float(np.abs(wave).max()) for wave in waves.values())
    clips = {}
    for row, wave in waves.items():
        clip = Clip("", peaks(wave, peak), len(wave) / settings.sampling_rate)
        picture = spectrogram(mels[row], loudest)
        place = run.files.clips / f"{trial.trial}-{[*GIVEN, *run.rows].index(row)}"  # type: ignore[attr-defined]
        if embed:
            clips[row] = replace(clip, mel=_data("image/png", picture), audio=opus(wave, settings.sampling_rate))
            continue
        path = place.with_name(f"{place.name}.png")
        write_bytes(path, picture)
        address = quote(path.relative_to(run.folder).as_posix())
        clips[row] = replace(clip, mel=address, audio="" if row in run.rows else _kept(run, place, wave))
    return clips


def _waves(run: Run, trial: object) -> Iterator[tuple[str, np.ndarray]]:
    """The recordings of a trial that are there, at the run's rate; what the systems were given first."""
    rate = run.config.features.mel.sampling_rate
    name = trial.trial  # type: ignore[attr-defined]
    paths = {row: run.files.conversion(row, name) for row in run.rows}
    found = {row: audio.read(path, rate) for row, path in paths.items() if path.is_file()}
    if not found:
        return
    inputs = run.utterance(trial.source), run.target(trial).utterances[0]  # type: ignore[attr-defined]
    for role, utterance in zip(GIVEN, inputs, strict=True):
        if role not in run.rows and utterance.path.is_file():
            yield role, utterance.wave.numpy()
    yield from found.items()


def _kept(run: Run, place: Path, wave: np.ndarray) -> str:
    """Write a recording that the run's folder does not have; its address."""
    path = place.with_name(f"{place.name}.flac")
    audio.write(path, wave, run.config.features.mel.sampling_rate)
    return quote(path.relative_to(run.folder).as_posix())


def peaks(wave: np.ndarray, loudest: float) -> str:
    """A waveform as characters, the largest magnitude of each of `PEAKS` parts."""
    parts = np.array_split(np.abs(wave), min(PEAKS, len(wave)))
    heights = np.array([part.max() for part in parts]) / max(loudest, 1e-9)
    return "".join(chr(48 + level) for level in np.clip(heights * (LEVELS - 1), 0, LEVELS - 1).round().astype(int))


def spectrogram(mel: np.ndarray, loudest: float) -> bytes:
    """A PNG with low bands at the bottom; `loudest` maps to the brightest level.

    Args:
        mel: (n_mels, frames) log10 magnitude.
    """
    bright = np.clip((mel[::-1] - loudest) / RANGE + 1, 0, 1) * (LEVELS - 1)
    image = Image.fromarray(bright.round().astype(np.uint8))
    image = image.resize((min(image.width, PIXELS), image.height), Image.Resampling.BOX)
    image.putpalette(PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True, bits=6)
    return buffer.getvalue()


def opus(wave: np.ndarray, rate: int) -> str:
    """A wave as Ogg Opus, as a data URL."""
    buffer = io.BytesIO()
    resampled = audio.resample(wave, rate, OPUS_RATE)
    soundfile.write(buffer, resampled, OPUS_RATE, format="OGG", subtype="OPUS", compression_level=OPUS_COMPRESSION)
    return _data("audio/ogg", buffer.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
