"""Word and character error rate of a speech recogniser's transcript.

Whisper transcribes the recording; openai-whisper's normaliser is applied to transcript and reference; jiwer aligns them. English
has a normaliser of its own (numbers, contractions, spelling, punctuation, case); that of other languages removes punctuation and
case, and in languages that write no spaces makes every letter a word, as in Whisper's paper.
There are two references, in separate columns, never mixed:

- the text of the corpus (`wer`, `cer`): only for recordings whose corpus gives a text;
- the same recogniser's transcript of the real recording of the same words (`wer_recognised`, `cer_recognised`): for all. It
  measures what the conversion changed, without the recogniser's usual errors. By construction 0 for `source` and `target`.

An error rate is (substitutions + deletions + insertions) / words of the reference: at best 0, above 1 with many insertions.
Its weight is the reference's length, so that a mean over recordings is the pooled rate; `wer_mean` gives each recording the
same weight. `wer_substitutions`, `wer_deletions` and `wer_insertions` are the parts of `wer`, pooled in the same way: they add up
to it. A reference without words has no rate and no row. `loops` is the share of recordings in which the
recogniser repeats itself (`vcbench.speech.pretrained.whisper.Transcript.loops`): their error rate says little about the speech.

Cost for 3 s of speech on one core, tiny.en: see `vcbench.speech.pretrained.whisper`.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jiwer
import torch

from vcbench.api.conversion import Conversion
from vcbench.api.metric import AudioMetric
from vcbench.api.scores import Column, Measurement
from vcbench.speech import audio
from vcbench.speech.pretrained.whisper import (
    FULL_WINDOW,
    RATE,
    Transcriber,
    Transcript,
    check_language,
    check_settings,
    find_model,
    model_revision,
)

if TYPE_CHECKING:
    from vcbench.speech.utterance import Utterance

ERRORS = ("substitutions", "deletions", "insertions")
SPACELESS = ("zh", "yue", "ja", "th", "lo", "my")
TEXT = "a text: the corpus gives none"


class WordErrorRate(AudioMetric):
    """Word and character error rate. Args: those of `vcbench.speech.pretrained.whisper.Transcriber`.

    `device` "auto" is the run's device for openai-whisper and the CPU for faster-whisper, whose CUDA libraries have a different
    version from PyTorch's.
    """

    name = "word_error_rate"
    summary = "Counts the words and letters that a speech recogniser, Whisper, gets wrong."
    columns: ClassVar[dict[str, Column]] = {
        "wer": Column("WER to the text (%)", False, 1, percent=True, needs=TEXT, detail="transcript", role="words"),
        "wer_mean": Column("WER to the text, mean over recordings (%)", False, 1, percent=True, main=False, needs=TEXT),
        "wer_substitutions": Column("Substitutions (% of words)", False, 1, percent=True, main=False, needs=TEXT),
        "wer_deletions": Column("Deletions (% of words)", False, 1, percent=True, main=False, needs=TEXT),
        "wer_insertions": Column("Insertions (% of words)", False, 1, percent=True, main=False, needs=TEXT),
        "cer": Column("CER to the text (%)", False, 1, percent=True, needs=TEXT),
        "wer_recognised": Column(
            "WER to what is recognised in the unconverted recording (%)",
            False,
            1,
            percent=True,
            main=False,
            detail="transcript",
        ),
        "cer_recognised": Column(
            "CER to what is recognised in the unconverted recording (%)", False, 1, percent=True, main=False
        ),
        "loops": Column("Recogniser caught in a loop (%)", False, 1, percent=True, main=False),
    }
    version = 3
    reads = ("text", "spoken")

    def __init__(
        self,
        engine: str = "faster-whisper",
        model: str = "tiny.en",
        path: Path | str | None = None,
        beam: int = 1,
        window: float = FULL_WINDOW,
        precision: str = "float32",
        device: str = "auto",
        language: str = "en",
    ) -> None:
        check_settings(engine, model, beam, window, precision)
        check_language(model, language)
        self._language = language
        self._normaliser = "EnglishTextNormalizer" if language == "en" else "BasicTextNormalizer"
        self._engine, self._model, self._path = engine, model, path
        self._beam, self._window, self._precision, self._device = beam, window, precision, device

    def check(self) -> None:
        find_model(self._engine, self._model, self._path)

    def settings(self) -> dict[str, Any]:
        return {
            "engine": f"{self._engine} {version(self._engine)}",
            "model": model_revision(self._engine, self._model, self._path),
            "beam": self._beam,
            "window": f"{self._window:g} s",
            "precision": self._precision,
            **({} if self._language == "en" else {"language": self._language}),
            "normaliser": f"{self._normaliser} of openai-whisper {version('openai-whisper')}",
            "alignment": f"jiwer {version('jiwer')}",
        }

    def load(self, device: torch.device) -> None:
        from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

        where = self._device
        if where == "auto":
            where = device.type if self._engine == "openai-whisper" else "cpu"
        self._transcriber = Transcriber(
            self._engine, self._model, where, self._path, self._beam, self._window, self._precision, self._language
        )
        self._normalise = (
            EnglishTextNormalizer()
            if self._language == "en"
            else BasicTextNormalizer(split_letters=self._language in SPACELESS)
        )
        self._recognised: dict[str, str] = {}  # by utterance

    def unload(self) -> None:
        del self._transcriber

    def measure(self, conversions: Sequence[Conversion]) -> list[list[Measurement]]:
        self._recognise([conversion.spoken for conversion in conversions])
        transcripts = self._transcriber.transcribe([audio.read(conversion.path, RATE) for conversion in conversions])
        return [self._score(conversion, found) for conversion, found in zip(conversions, transcripts, strict=True)]

    def _recognise(self, utterances: Sequence[Utterance]) -> None:
        new = {utterance.id: utterance for utterance in utterances if utterance.id not in self._recognised}
        waves = [audio.resample(one.wave.numpy(), one.sampling_rate, RATE) for one in new.values()]
        for identity, found in zip(new, self._transcriber.transcribe(waves), strict=True):
            self._recognised[identity] = found.text

    def _score(self, conversion: Conversion, transcript: Transcript) -> list[Measurement]:
        detail = {
            "transcript": transcript.text,
            "compression_ratio": round(transcript.compression_ratio, 3),
            "loops": transcript.loops,
        }
        scores: list[Measurement] = [Measurement("loops", float(transcript.loops))]
        if conversion.spoken.text is not None:
            words, characters = self._rates(conversion.spoken.text, transcript.text)
            scores += _rows("wer", words, detail) + _rows("cer", characters, {})
            scores += [Measurement("wer_mean", value) for _, value, _, _ in _rows("wer", words, {})]
            scores += _parts(words)
        recognised = self._recognised[conversion.spoken.id]
        words, characters = self._rates(recognised, transcript.text)
        return scores + _rows("wer_recognised", words, detail) + _rows("cer_recognised", characters, {})

    def _rates(self, reference: str, hypothesis: str) -> tuple[ErrorCounts, ErrorCounts]:
        return error_counts(self._normalise(reference), self._normalise(hypothesis))


ErrorCounts = dict[str, Any]


def error_counts(reference: str, hypothesis: str) -> tuple[ErrorCounts, ErrorCounts]:
    """Counts over words and over characters (spaces count as characters) of two normalised texts.

    Each has `reference`, `hypothesis` (the texts), `length` (of the reference), `substitutions`, `deletions`, `insertions`.
    """
    counts = []
    for align, length in (
        (jiwer.process_words, len(reference.split())),
        (jiwer.process_characters, len(reference.strip())),
    ):
        found: ErrorCounts = {"reference": reference, "hypothesis": hypothesis, "length": length}
        if length:
            aligned = align(reference, hypothesis)
            found |= {kind: getattr(aligned, kind) for kind in ERRORS}
        counts.append(found)
    return counts[0], counts[1]


def _rows(column: str, counts: ErrorCounts, detail: dict[str, Any]) -> list[Measurement]:
    """The column's row, or none if the reference has no words."""
    if not counts["length"]:
        return []
    errors = sum(counts[kind] for kind in ERRORS)
    return [Measurement(column, errors / counts["length"], float(counts["length"]), counts | detail)]


def _parts(counts: ErrorCounts) -> list[Measurement]:
    """One row per kind of error, or none if the reference has no words."""
    length = counts["length"]
    return [Measurement(f"wer_{kind}", counts[kind] / length, float(length)) for kind in ERRORS if length]
