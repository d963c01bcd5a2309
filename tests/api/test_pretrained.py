"""What comes trained with vcbench is whole and up to date, and the best system is the best by the recorded scores."""

from __future__ import annotations

import pytest

from vcbench.api.pretrained import (
    FOLDER,
    Index,
    OneShot,
    Origin,
    PretrainedError,
    Shipped,
    load_pretrained,
    read_origin,
)
from vcbench.speech.corpora import load_corpus

SHIPPED = Index.read(FOLDER).systems


def figures(words: float, similarity: float = 0.6, key: str = "same") -> OneShot:
    return OneShot(key=key, trials=12, converted_words=words, similarity=similarity, nearer_target=6, error_rate=0.1)


def entry(one_shot: OneShot) -> Shipped:
    origin = Origin(corpus="mini", corpus_version="2", preset="standard", steps=10)
    return Shipped(sha256="0", origin=origin, one_shot=one_shot)


def test_the_best_converts_the_most_words_and_then_comes_nearest() -> None:
    index = Index().including({"one": entry(figures(0.2)), "two": entry(figures(0.5))})
    assert index.best == "two"
    assert index.including({"one": entry(figures(0.5, 0.7))}).best == "one"
    assert list(index.including({"b": entry(figures(0.1))}).systems) == ["b", "one", "two"]


def test_figures_of_other_trials_are_not_compared() -> None:
    index = Index().including({"one": entry(figures(0.2))})
    index.require_comparable({"two": figures(0.1)})
    with pytest.raises(PretrainedError, match=r"The scores of two and those of one are of other trials"):
        index.require_comparable({"two": figures(0.1, key="other")})
    index.require_comparable({"one": figures(0.1, key="other")})  # it takes the place of the old one


@pytest.mark.parametrize("name", SHIPPED)
def test_no_weights_are_stale(name: str) -> None:
    """`load_pretrained` refuses other versions of the system, and files that are not the index's.

    If it does: train the system again and export it (`vcbench pretrained export`).
    """
    load_pretrained(name)
    origin = read_origin(FOLDER / f"{name}.safetensors")
    assert origin == SHIPPED[name].origin
    assert (origin.corpus, origin.corpus_version) == ("mini", load_corpus("mini").version)


FIVE = ("flowvc", "nd_flow", "ae_flow", "adain_vc", "again_vc")  # the papers'


def test_the_folder_has_weights_and_a_card_of_each_and_the_papers_five_are_no_more_than_20_mb() -> None:
    files = {path.name for path in FOLDER.iterdir() if path.suffix in (".safetensors", ".md")}
    assert files == {f"{name}{suffix}" for name in SHIPPED for suffix in (".safetensors", ".md")}
    sizes = {name: (FOLDER / f"{name}.safetensors").stat().st_size for name in SHIPPED}
    assert sum(sizes[name] for name in FIVE) <= 20e6
    assert sum(sizes.values()) <= 30e6
