"""Fixtures that several tests share: speech of the embedded corpus, with its features cached once per session."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.split import Split, SplitSettings, split
from vcbench.speech.features.store import FeatureStore
from vcbench.speech.utterance import Corpus, Speaker

# The same examples each time: what passes here passes elsewhere. A longer search: HYPOTHESIS_PROFILE=default, and raise max_examples.
settings.register_profile("same", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

FIRST = (
    "stages/test_end_to_end",
    "cli/test_readme",
    "test_wheel",
    "studies/test_run",
    "evaluations/test_speaker_probe",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest begin first, so that no process is left alone with one of them at the end."""
    order = {f"tests/{name}.py": index for index, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(order)))


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests neither read nor fill the user's cache; child processes inherit this."""
    os.environ["VCBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_lazy_modules() -> Iterator[None]:
    """speechbrain leaves modules behind that fail when they are inspected, which Hypothesis does."""
    yield
    for name, module in list(sys.modules.items()):
        if type(module).__module__ == "speechbrain.utils.importutils":
            del sys.modules[name]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return FeatureStore(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="session")
def small_corpus(store: FeatureStore) -> Corpus:
    """Six speakers of `mini`, two of them unseen, sixteen sentences each, eight of them held out."""
    mini = load_corpus("mini")
    seen = [speaker for speaker in mini.speakers if speaker.seen][::7]
    unseen = [speaker for speaker in mini.speakers if not speaker.seen][:2]
    return Corpus(
        mini.name, mini.root, tuple(_fewer(s, store) for s in [*seen, *unseen]), mini.licence, True, mini.version
    )


def _fewer(speaker: Speaker, store: FeatureStore) -> Speaker:
    held_out = [utterance for utterance in speaker.utterances if utterance.held_out][:8]
    training = [utterance for utterance in speaker.utterances if not utterance.held_out][:8]
    kept = tuple(utterance.with_features(store) for utterance in [*training, *held_out])
    return Speaker(speaker.id, kept, speaker.sex, speaker.seen)


@pytest.fixture(scope="session")
def small_split(small_corpus: Corpus) -> Split:
    return split(small_corpus, SplitSettings(), 0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real speech and golden tensors for development; not part of the product."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no development corpora next to the repository")
    return folder
