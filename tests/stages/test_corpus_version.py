"""The version of an embedded corpus is in the manifest, in the tables and in what decides whether to prepare again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.made_up_run import made_up_run
from vcbench.base.state import read_state
from vcbench.reporting.manifest import write_manifest
from vcbench.reporting.publish import tabulate
from vcbench.reporting.tables import plain_notes
from vcbench.run.run import Run
from vcbench.speech.corpora import load_corpus
from vcbench.speech.corpora.check import check_corpus
from vcbench.stages.prepare import prepare


@pytest.fixture
def made(tmp_path: Path) -> Run:
    (tmp_path / "runs").mkdir()
    return made_up_run(tmp_path / "runs" / "made-up", ["one", "two"], {"one": 0.5, "two": 0.6, "source": 0.2})


def test_manifest_and_tables_name_it(made: Run) -> None:
    version = load_corpus("mini").version
    assert version
    write_manifest(made, {})
    assert read_state(made.files.manifest, "")["corpus_version"] == version
    assert f"mini (version {version})" in plain_notes(tabulate(made, {}))[0]


def test_another_version_is_prepared_again(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "vcbench.stages.prepare._prepare_corpus",
        lambda run, settings, progress: (
            asked.append(settings) or made.prepared.model_copy(update={"settings": settings})
        ),
    )
    for version in ("1", "1", "2"):
        run = Run.open(made.folder)
        corpus = run.corpus
        object.__setattr__(corpus, "version", version)
        prepare(run, lambda *_: None)
    assert [settings["corpus_version"] for settings in asked] == ["1", "2"]


def test_the_recordings_of_an_embedded_corpus_are_not_decoded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("vcbench.speech.audio.decode", lambda path: pytest.fail("decoded"))
    corpus = load_corpus("mini")
    assert check_corpus(corpus, cache=tmp_path / "checked.json").corpus == corpus
    assert not (tmp_path / "checked.json").exists()
