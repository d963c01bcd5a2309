"""Recordings through vocoders and back, for `vcbench score` to compare."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from time import perf_counter

import torch

from vcbench.base.errors import UserError
from vcbench.base.files import write_text
from vcbench.base.jobs import JobProgress
from vcbench.speech import audio
from vcbench.speech.corpora import load_corpus
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Utterance
from vcbench.speech.vocoders import load_vocoder
from vcbench.speech.vocoders.vocoder import VocoderSettings
from vcbench.training.vocoder import spectra

TABLE = "table.csv"


def vocode(
    utterances: Sequence[Utterance],
    vocoders: Mapping[str, VocoderSettings],
    store: FeatureStore,
    folder: Path,
    device: torch.device,
    progress: JobProgress,
) -> list[tuple[str, float, float]]:
    """Write every recording's mel as each vocoder sounds it, and a table that `vcbench score` takes.

    Returns:
        By vocoder: its name, its real-time factor one recording at a time, and the distance of its spectra from the recording's:
        the mean absolute difference of log magnitudes, in nepers, with windows of 2048, 1024 and 512 samples.
    """
    rate = store.sampling_rate
    made = {name: load_vocoder(settings, store.mel_settings, device) for name, settings in vocoders.items()}
    seconds, apart = dict.fromkeys(made, 0.0), dict.fromkeys(made, 0.0)
    lines = io.StringIO()
    table = csv.writer(lines)
    table.writerow(["system", "converted", "source", "target", "source_speaker", "target_speaker", "text"])
    spoken = 0.0
    for done, utterance in enumerate(utterances, 1):
        wave = store.wave(utterance)
        wave = wave[: len(wave) // store.mel_settings.hop * store.mel_settings.hop]
        original = f"original/{utterance.id.replace('/', '_')}.flac"
        audio.write(folder / original, wave.numpy(), rate)
        spoken += len(wave) / rate
        for name, vocoder in made.items():
            started = perf_counter()
            (again,) = vocoder([store.mel(utterance)])
            seconds[name] += perf_counter() - started
            apart[name] += spectral_distance(wave, again.cpu()) / len(utterances)
            converted = f"{name}/{utterance.id.replace('/', '_')}.flac"
            audio.write(folder / converted, again.cpu().numpy(), rate)
            speaker = utterance.speaker
            table.writerow([name, converted, original, original, speaker, speaker, utterance.text or ""])
        progress(done, len(utterances))
    write_text(folder / TABLE, lines.getvalue())
    return [(name, seconds[name] / spoken, apart[name]) for name in made]


def spectral_distance(wave: torch.Tensor, other: torch.Tensor) -> float:
    """Mean absolute difference of log magnitudes in nepers, over several windows; waves (samples,)."""
    pairs = zip(spectra(wave[None]), spectra(other[None]), strict=True)
    return sum(float(((a + 1e-3).log() - (b + 1e-3).log()).abs().mean()) for a, b in pairs) / 3


def parsed(texts: Sequence[str]) -> dict[str, VocoderSettings]:
    """`griffin-lim`, `griffin-lim-200` (iterations), `source-filter`, or NAME=FILE of a source-filter vocoder."""
    found = {}
    for text in texts:
        name, _, path = text.partition("=")
        if path:
            found[name] = VocoderSettings(kind="source-filter", path=Path(path))
        elif text.startswith("griffin-lim-") and text.removeprefix("griffin-lim-").isdigit():
            found[name] = VocoderSettings(kind="griffin-lim", iterations=int(text.removeprefix("griffin-lim-")))
        elif text == "griffin-lim":
            found[name] = VocoderSettings(kind="griffin-lim")
        elif text == "source-filter":
            found[name] = VocoderSettings(kind="source-filter")
        else:
            raise UserError(
                f"--vocoder {text!r}: give griffin-lim, griffin-lim-ITERATIONS, source-filter, or NAME=FILE."
            )
    return found


def chosen(name: str, root: Path | None, count: int, store: FeatureStore) -> list[Utterance]:
    """Up to `count` recordings of a corpus, of all its speakers in turn; unseen speakers alone where the corpus names them."""
    corpus = load_corpus(name, root)
    speakers = [one for one in corpus.speakers if one.seen is False] or list(corpus.speakers)
    turns = [
        utterance
        for turn in zip_longest(*(speaker.utterances for speaker in speakers))
        for utterance in turn
        if utterance is not None
    ]
    return [utterance.with_features(store) for utterance in turns[:count]]
