"""LibriSpeech (Panayotov et al. 2015): ``train-clean-100/103/1240/103-1240-0000.flac``, texts in ``103-1240.trans.txt``."""

from __future__ import annotations

from pathlib import Path

from vcbench.speech.corpora.layout import files, read_text, sentence
from vcbench.speech.corpora.libri import load_subsets, sexes_between_bars
from vcbench.speech.utterance import Corpus

LICENCE = "CC BY 4.0, LibriSpeech (c) 2014 Vassil Panayotov, https://www.openslr.org/12"


def load(root: Path | None) -> Corpus:
    """Load every subset in the folder; the published texts are in capitals, without punctuation."""
    return load_subsets(
        "librispeech", root, "LibriSpeech", _chapter, lambda base: sexes_between_bars(base / "SPEAKERS.TXT"), LICENCE
    )


def _chapter(folder: Path) -> list[tuple[str, Path, str | None]]:
    transcript = folder / f"{folder.parent.name}-{folder.name}.trans.txt"
    lines = read_text(transcript).splitlines() if transcript.is_file() else []
    texts = {identity: sentence(text) for identity, _, text in (line.partition(" ") for line in lines)}
    return [(path.stem, path, texts.get(path.stem)) for path in files(folder, (".flac",))]
