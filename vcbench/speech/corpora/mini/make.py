"""Make the audio of the corpus `mini`: ``python -m vcbench.speech.corpora.mini.make --out DIR``.

Every sentence of `sentences.tsv` is read by four voices of flite (Debian's package ``flite``), and each reading
is resynthesised by WORLD (Morise, Yokomori and Ozawa 2016) for the four speakers that `speakers.tsv` builds on that
voice: F0 is multiplied by ``f0_ratio``, and the axis of the spectral envelope and of the aperiodicity is stretched by
``formant_ratio``. Nothing here is random; the same versions of flite, pyworld and libsndfile give the same samples.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import pyworld
import soundfile
import typer
from numpy.typing import NDArray
from rich.progress import track

from vcbench.base.errors import UserError
from vcbench.base.files import whole_file
from vcbench.speech.corpora.mini import Sentence, Voice, audio_path, read_sentences, read_voices

Samples = NDArray[np.float64]
RATE = 16000  # Hz, of flite's voices and of the corpus
FRAME = 160  # samples, of the level that tells speech from silence
SILENCE = -40.0  # dB below the loudest frame
MARGIN = 0.05  # seconds kept before and after speech
LEVEL = 0.07  # root mean square of every recording ...
PEAK = 0.85  # ... unless its peak would pass this
F0_FLOOR = 60.0  # Hz
VORBIS_COMPRESSION = 0.98  # 0 is best, 1 is smallest; about 25 kbit/s besides the 3.5 kB of headers in each file


def require_flite(voices: set[str]) -> None:
    """Raise UserError unless flite is on the PATH and has `voices`."""
    if shutil.which("flite") is None:
        raise UserError("The program flite is not on the PATH. Install it, on Debian with: apt-get install flite")
    listing = subprocess.run(["flite", "-lv"], check=True, capture_output=True, text=True).stdout
    if missing := voices - set(listing.partition(":")[2].split()):
        raise UserError(f"flite lacks the voices {sorted(missing)}; `flite -lv` prints: {listing.strip()}")


def trim(wave: Samples) -> Samples:
    """Cut silence at both ends down to `MARGIN`."""
    frames = wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    loud = np.flatnonzero(level > level.max() + SILENCE)
    margin = round(MARGIN * RATE)
    return wave[max(0, loud[0] * FRAME - margin) : (loud[-1] + 1) * FRAME + margin]


def speak(text: str, base: str) -> Samples:
    """(samples,) at `RATE`: `text` read by flite's voice `base`, silence trimmed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(["flite", "-voice", base, "-t", text, "-o", str(path)], check=True)
        wave, rate = soundfile.read(path)
    if rate != RATE:
        raise RuntimeError(f"flite's voice {base} speaks at {rate} Hz; the corpus is made of voices at {RATE} Hz.")
    return trim(wave)


def stretch(spectra: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Move what stands at frequency f to f * ratio, in every row; beyond the end, the last bin is held.

    Args:
        spectra: (frames, bins).
    """
    bins = np.arange(spectra.shape[1])
    return np.stack([np.interp(bins / ratio, bins, row) for row in spectra])


def change_voices(wave: Samples, voices: list[Voice]) -> list[Samples]:
    """Resynthesise `wave` with each voice's ratios of F0 and formants, all at the same level."""
    f0, times = pyworld.harvest(wave, RATE, f0_floor=F0_FLOOR)
    envelope = pyworld.cheaptrick(wave, f0, times, RATE)
    aperiodicity = pyworld.d4c(wave, f0, times, RATE)
    changed = []
    for voice in voices:
        result = pyworld.synthesize(
            f0 * voice.f0_ratio,
            np.exp(stretch(np.log(envelope), voice.formant_ratio)),
            stretch(aperiodicity, voice.formant_ratio),
            RATE,
        )
        changed.append(result * min(LEVEL / np.sqrt(np.mean(result**2)), PEAK / np.abs(result).max()))
    return changed


def record(sentence: Sentence, voices: list[Voice], out: Path) -> None:
    """Write `sentence` as said by `voices`, all built on one voice of flite, to ``out/<speaker>/<sentence>.ogg``."""
    waves = change_voices(speak(sentence.text, voices[0].base), voices)
    for voice, wave in zip(voices, waves, strict=True):
        with whole_file(audio_path(out, voice, sentence)) as path:
            soundfile.write(path, wave, RATE, format="OGG", subtype="VORBIS", compression_level=VORBIS_COMPRESSION)


def main(
    out: Annotated[Path, typer.Option(help="The folder to write to, as <speaker>/<sentence>.ogg.")],
) -> None:
    """Make the audio of the corpus `mini` with flite and WORLD, on all cores."""
    voices = read_voices()
    bases = {voice.base for voice in voices}
    try:
        require_flite(bases)
    except UserError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    groups = [[voice for voice in voices if voice.base == base] for base in sorted(bases)]
    with ProcessPoolExecutor() as pool:
        jobs = [pool.submit(record, sentence, group, out) for sentence, group in product(read_sentences(), groups)]
        for job in track(as_completed(jobs), "Making mini", total=len(jobs)):
            job.result()


if __name__ == "__main__":
    typer.run(main)
