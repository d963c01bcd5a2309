"""The command line: errors are messages with an exit code, and help explains."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Literal

import pytest
from typer.testing import CliRunner

from tests.support.command import run_here
from vcbench.api import registry
from vcbench.base.errors import UserError
from vcbench.cli import verbs as command
from vcbench.cli.app import app, main

VERBS = ["run", "prepare", "train", "convert", "systems", "metrics", "doctor", "study", "import"]


VERBS += [
    "listen build",
    "listen serve",
    "listen status",
    "listen export",
    "listen forget",
    "bench train",
    "bench convert",
    "bench score",
    "bench all",
    "pretrained list",
    "pretrained export",
    "score",
    "latex",
    "report",
    "compare",
]


@pytest.mark.parametrize("verb", VERBS)
def test_help_says_what_a_verb_does(verb: str) -> None:
    shown = CliRunner().invoke(app, [*verb.split(), "--help"])
    assert shown.exit_code == 0
    assert len(shown.output) > 200


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UserError("The corpus is empty."), 2, "The corpus is empty."),
        (OSError(errno.ENOSPC, "No space left on device"), 2, "No space left on device. Free some space"),
        (KeyboardInterrupt(), 130, "same command to continue"),
    ],
)
def test_what_a_user_can_mend_is_a_message_and_a_code(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "describe", fail)
    monkeypatch.setattr("sys.argv", ["vcbench", "systems"])
    with pytest.raises(SystemExit) as exit_code:
        main()
    assert exit_code.value.code == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_lists_name_every_system_and_metric() -> None:
    listed = CliRunner().invoke(app, ["systems"]).output + CliRunner().invoke(app, ["metrics"]).output
    names = ["flowvc", "nd_flow", "ae_flow", "adain_vc", "again_vc", "word_error_rate", "speaker_similarity_ecapa"]
    for name in (
        *names,
        "naturalness_utmos",
        "speaker_similarity_campplus",
        "speaker_similarity_wavlm",
        "reference_quality",
        "speaking_rate",
    ):
        assert name in listed


@pytest.mark.parametrize("kind", ["systems", "metrics"])
def test_every_system_and_metric_has_a_sentence_of_its_own(kind: Literal["systems", "metrics"]) -> None:
    sentences = [registry.load(kind, name).summary for name in registry.names(kind)]
    assert len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "README" not in sentence
        assert "Args" not in sentence


def test_options_that_do_not_go_with_a_repetition_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["vcbench", "run", "--from", "runs/none", "--preset", "paper", "--seeds", "2"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "leave out --preset, --seeds" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--pretrained", "--train-also", "mini"), "leave it out, or --train-also"),
        (("run", "--train-also", "=speech"), "'=speech' names no corpus: give a name, or NAME=FOLDER"),
        (("run", "--train-also", "vctq=speech"), "corpus.training_only = 'vctq': there is no such corpus"),
        (("run", "--train-also", "folder=speech"), "speech is not a folder"),
        (("prepare", "--train-also", "mini"), "Two corpora have the name 'mini'"),
    ],
)
def test_a_further_corpus_that_cannot_be_trained_on_is_refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    assert said in " ".join(run_here(*arguments, folder=tmp_path, code=2).split())
    assert not (tmp_path / "runs").exists()
