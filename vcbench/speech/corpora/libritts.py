"""LibriTTS (Zen et al. 2019): ``train-clean-100/103/1241/103_1241_000000_000001.wav`` and ``….normalized.txt``.

The normalized text is used: its numbers and abbreviations are spelled out.
"""

from __future__ import annotations

from pathlib import Path

from vcbench.speech.corpora.layout import files, read_text, sentence_beside, sex_of
from vcbench.speech.corpora.libri import load_subsets, sexes_between_bars
from vcbench.speech.utterance import Corpus, Sex

LICENCE = "CC BY 4.0, LibriTTS, Google, derived from LibriSpeech, https://www.openslr.org/60"


def load(root: Path | None) -> Corpus:
    """Load every subset in the folder."""
    return load_subsets("libritts", root, "LibriTTS", _chapter, _sexes, LICENCE)


def _chapter(folder: Path) -> list[tuple[str, Path, str | None]]:
    recordings = files(folder, (".wav",))
    return [(path.stem, path, sentence_beside(path.with_suffix(".normalized.txt"))) for path in recordings]


def _sexes(base: Path) -> dict[str, Sex | None]:
    """``speakers.tsv`` (reader, gender, ...; its header line is not tabbed throughout), else ``SPEAKERS.txt``."""
    table = base / "speakers.tsv"
    if not table.is_file():
        return sexes_between_bars(base / "SPEAKERS.txt")
    rows = [line.split("\t") for line in read_text(table).splitlines()[1:]]
    return {row[0].strip(): sex_of(row[1]) for row in rows if len(row) > 1}
