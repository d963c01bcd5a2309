"""The report's listening section: a few trials, each with its recordings, their spectrograms and transcripts."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import matplotlib
import numpy as np
import pandas as pd
import torch
from PIL import Image

from vcbench.api.scores import Column
from vcbench.reporting.sanity import FLOOR
from vcbench.reporting.text import number
from vcbench.speech import audio
from vcbench.speech.features.mel import mel_spectrogram

if TYPE_CHECKING:
    from vcbench.run.run import Run

TRIALS = 6

GIVEN = (
    FLOOR,
    "reference",
)  # what the systems convert, and the recording of the target that they get; listed first

RANGE = 4.0  # decades of magnitude from a trial's loudest band to black: 80 dB
LEVELS = 64  # of brightness: more would be invisible and make the page larger
PIXELS = 500  # maximum width of a spectrogram
PALETTE = (matplotlib.colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3] * 255).astype(np.uint8).tobytes()


@dataclass(frozen=True)
class Recording:
    """A row of a trial's table.

    Attributes:
        link: relative to the run's folder, quoted for a URL; empty where the conversion failed.
        image: the mel spectrogram, as a data URL.
        share: the image's width in percent of the trial's longest.
        said: the spoken text, if it is not the source's.
        error: why there is no recording.
    """

    name: str
    reference: bool
    link: str = ""
    image: str = ""
    seconds: float = 0.0
    share: float = 0.0
    said: str = ""
    recognised: str = ""
    score: str = ""
    error: str = ""


@dataclass(frozen=True)
class Trial:
    """One trial with its recordings; `scored` is the title of the scores' column."""

    name: str
    condition: str
    source_speaker: str
    target_speaker: str
    text: str
    scored: str
    recordings: tuple[Recording, ...]


def choose(trials: pd.DataFrame, seed: int, count: int = TRIALS) -> pd.DataFrame:
    """At most `count` trials, drawn by `seed` and balanced over the conditions, in the order of the list."""
    shuffled = trials.sample(frac=1.0, random_state=seed)
    turn = shuffled.groupby("condition").cumcount().sort_values(kind="stable")
    return trials.loc[sorted(turn.index[:count])]


def listening(run: Run, scores: pd.DataFrame, columns: Mapping[str, Column], failures: pd.DataFrame) -> list[Trial]:
    """Trials to listen to; trials without any recording left are skipped.

    Writes the targets' references, which may be outside the run's folder, to its `clips`; also the sources, if
    the run has no row for them.

    Args:
        scores: a row per score, with `detail` as JSON text.
        columns: the leaderboard's, in its order.
        failures: `system, trial, error`.
    """
    scored, recognised = _transcripts(scores, columns)
    converted = {(one.system, one.trial): one for one in run.conversions}
    errors = {(one.system, one.trial): one.error for one in failures.itertuples()}
    found = []
    for trial in choose(run.trials, run.config.seed).itertuples():
        source = run.utterance(trial.source)
        paths: dict[Recording, Path | None] = {}
        for row in run.rows:
            about = Recording(row, row not in run.systems)
            if (row, trial.trial) in errors:
                paths[replace(about, error=errors[row, trial.trial])] = None
            elif (row, trial.trial) in converted:
                one = converted[row, trial.trial]
                said = one.spoken.text if one.spoken.text != source.text else None
                text, score = recognised.get((row, trial.trial), ("", ""))
                paths[replace(about, said=said or "", recognised=text, score=score)] = one.path
        if any(path and path.is_file() for path in paths.values()):
            paths |= dict(_given(run, trial))
            speakers = trial.source_speaker, trial.target_speaker
            recordings = sorted(_drawn(paths, run), key=lambda one: (*GIVEN, one.name).index(one.name))
            found.append(Trial(trial.trial, trial.condition, *speakers, source.text or "", scored, tuple(recordings)))
    return found


def _transcripts(
    scores: pd.DataFrame, columns: Mapping[str, Column]
) -> tuple[str, dict[tuple[str, str], tuple[str, str]]]:
    """The title of the first column with transcripts, and by row and trial the transcript and the score."""
    scored = set(scores["column"])
    name = next((name for name, column in columns.items() if column.detail == "transcript" and name in scored), None)
    if name is None:
        return "", {}
    column, own = columns[name], scores[scores["column"] == name]
    found = {
        (one.system, one.trial): (json.loads(one.detail)["transcript"], number(one.value, column))
        for one in own.itertuples()
    }
    return column.title, found


def _given(run: Run, trial: Any) -> Iterator[tuple[Recording, Path]]:
    """The source and the reference, as the systems receive them."""
    for role, utterance in zip(GIVEN, (run.utterance(trial.source), run.target(trial).utterances[0]), strict=True):
        if role not in run.rows and utterance.path.is_file():
            path = run.files.clips / f"{trial.trial}-{role}.flac"
            audio.write(path, utterance.wave.numpy(), utterance.sampling_rate)
            yield Recording(role, True), path


def _drawn(paths: Mapping[Recording, Path | None], run: Run) -> Iterator[Recording]:
    """Recordings with links and spectrograms, on one scale of time and brightness; those whose file is missing are skipped."""
    settings = run.config.features.mel
    mels = {}
    for path in paths.values():
        if path and path.is_file():
            wave = torch.from_numpy(audio.read(path, settings.sampling_rate))
            mels[path] = mel_spectrogram(wave, settings).numpy()
    longest = max(mel.shape[1] for mel in mels.values())
    loudest = max(float(mel.max()) for mel in mels.values())
    for recording, path in paths.items():
        if path in mels:
            mel = mels[path]
            yield replace(
                recording,
                link=quote(path.relative_to(run.folder).as_posix()),
                image=spectrogram(mel, loudest),
                seconds=mel.shape[1] * settings.hop / settings.sampling_rate,
                share=100 * mel.shape[1] / longest,
            )
        elif path is None:
            yield recording


def spectrogram(mel: np.ndarray, loudest: float) -> str:
    """A PNG as a data URL, with low bands at the bottom; `loudest` maps to the brightest level.

    Args:
        mel: (n_mels, frames) log10 magnitude.
    """
    bright = np.clip((mel[::-1] - loudest) / RANGE + 1, 0, 1) * (LEVELS - 1)
    image = Image.fromarray(bright.round().astype(np.uint8))
    image = image.resize((min(image.width, PIXELS), image.height), Image.Resampling.BOX)
    image.putpalette(PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True, bits=6)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
