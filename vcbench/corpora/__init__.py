"""Corpora by name. Each is a module with ``load(root) -> Corpus``, imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from vcbench.base.errors import did_you_mean
from vcbench.corpora.corpus import Corpus
from vcbench.corpora.layout import CorpusError

MODULES = {
    "mini": "vcbench.corpora.mini",
    "vctk": "vcbench.corpora.vctk",
    "librispeech": "vcbench.corpora.librispeech",
    "libritts": "vcbench.corpora.libritts",
    "cmu_arctic": "vcbench.corpora.cmu_arctic",
    "folder": "vcbench.corpora.folder",
}


def load_corpus(name: str, root: Path | None = None) -> Corpus:
    """List a corpus's speakers and utterances; no audio is opened (`vcbench.corpora.check.check_corpus` does that).

    Args:
        root: where it lies; `mini`, which is embedded, needs none.

    Raises:
        CorpusError: an unknown name, a root that is missing or laid out otherwise, an id that stands twice.
    """
    if name not in MODULES:
        raise CorpusError(f"There is no corpus {name!r}.{did_you_mean(name, list(MODULES))}")
    corpus: Corpus = import_module(MODULES[name]).load(root)
    return corpus
