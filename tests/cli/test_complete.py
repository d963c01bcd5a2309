"""What the shell offers, and that it does so without loading PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from vcbench.api import registry
from vcbench.cli import complete
from vcbench.cli.app import app
from vcbench.run import config
from vcbench.speech.corpora import MODULES
from vcbench.studies.file import names


def offered(words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = {
        "_VCBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = CliRunner().invoke(app, [], env=environment, prog_name="vcbench")
    return done.output.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("vcbench run --preset ", config.presets()),
        ("vcbench run --systems flowvc,again", ["flowvc,again_vc"]),
        ("vcbench run --corpus lib", ["librispeech", "libritts"]),
        ("vcbench run --set metrics.naturalness_", ["metrics.naturalness_dnsmos.", "metrics.naturalness_utmos."]),
        ("vcbench study again_table", ["again_table1", "again_table2"]),
        ("vcbench convert --system ad", ["adain_vc"]),
        ("vcbench import ag", ["again-vc"]),
    ],
)
def test_names_are_completed(words: str, found: list[str]) -> None:
    assert offered(words) == found


def test_everything_that_is_installed_is_offered() -> None:
    assert complete.corpora("") == list(MODULES)
    assert complete.studies("") == sorted(names())
    assert complete.presets("") == config.presets()
    assert complete.systems("") == ["all", *registry.names("systems")]
    assert {entry.split(".")[1] for entry in complete.settings("metrics.")} == set(registry.names("metrics"))


def test_completion_does_not_load_pytorch() -> None:
    code = "import sys; from vcbench.cli import app; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
