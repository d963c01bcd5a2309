"""Corpora by name. Each is a module with ``load(root) -> Corpus``, imported on demand."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from vcbench.base.errors import did_you_mean
from vcbench.speech.utterance import Corpus, CorpusError

MODULES = {
    "mini": "vcbench.speech.corpora.mini",
    "vctk": "vcbench.speech.corpora.vctk",
    "librispeech": "vcbench.speech.corpora.librispeech",
    "libritts": "vcbench.speech.corpora.libritts",
    "cmu_arctic": "vcbench.speech.corpora.cmu_arctic",
    "folder": "vcbench.speech.corpora.folder",
}


def load_corpus(name: str, root: Path | None = None) -> Corpus:
    """List a corpus's speakers and utterances without opening audio (`vcbench.speech.corpora.check.check_corpus` does that).

    Args:
        root: the corpus's folder; the embedded `mini` needs none.

    Raises:
        CorpusError: the name is unknown, the root is missing or has another layout, or an id occurs twice.
    """
    if name not in MODULES:
        raise CorpusError(f"Unknown corpus {name!r}.{did_you_mean(name, list(MODULES))}")
    corpus: Corpus = import_module(MODULES[name]).load(root)
    return corpus
