"""The paragraph on methods says what the run's own settings and files say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.made_up_run import made_up_run
from vcbench.base.state import read_state
from vcbench.reporting.manifest import write_manifest
from vcbench.reporting.methods import sentences, write_methods
from vcbench.reporting.publish import tabulate
from vcbench.run.run import Run

LEVELS = {"one": 0.8, "two": 0.4, "source": 0.3, "target": 0.9}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made_up_run(tmp_path_factory.mktemp("runs") / "a_b", ["one", "two"], LEVELS)


def test_it_names_data_trials_systems_metrics_and_statistics(run: Run) -> None:
    text = " ".join(sentences(run, tabulate(run, {}), {}))
    for part in (
        "The recordings are of 4 speakers of the corpus mini (version 2), which is synthetic speech.",
        "the same 8 trials (seen->seen 6, unseen->unseen 2)",
        "it is given 1 recording of the target; similarity is measured against other recordings",
        "not trained here: one, two.",
        "80 bands at 22050 Hz with a hop of 256 samples; vcbench's source-filter vocoder",
        "Cosine <x>, WER (%) and Mel error: Made (model none & nowhere).",
        "95% intervals",
        "Holm's correction",
    ):
        assert part in text
    assert "oracle" not in text  # this run has no such row


def test_training_is_as_in_the_settings(run: Run) -> None:
    trained = run.config.systems | {
        "mine": {"system": "again_vc", "training": {"steps": 1, "batch_size": 2, "frames": 3}}
    }
    other = Run(run.folder, run.config.model_copy(update={"systems": trained}))
    text = " ".join(sentences(other, tabulate(run, {}), {}))
    assert "The systems and their training: mine (again_vc), 1 step of 2 x 3 frames." in text
    assert "Further systems, not trained here: one, two." in text


def test_one_system_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    alone = made_up_run(tmp_path / "runs" / "alone", ["one"], {"one": 0.8})
    assert "Holm" not in " ".join(sentences(alone, tabulate(alone, {}), {}))


def test_both_files_are_ready_to_paste(run: Run) -> None:
    write_manifest(run, {})
    manifest = read_state(run.files.manifest, "")
    write_methods(run, tabulate(run, {}), manifest)
    markdown, tex = run.files.methods("md").read_text(), run.files.methods("tex").read_text()
    assert manifest["versions"]["torch"] in markdown
    assert manifest["trials"]["hash"][:16] in markdown
    assert "```bibtex\n@misc{vcbench," in markdown
    assert r"none \& nowhere" in tex
    if shutil.which("pdflatex"):
        page = rf"\documentclass{{article}}\begin{{document}}{tex}\end{{document}}"
        (run.folder / "page.tex").write_text(page)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        done = subprocess.run(command, cwd=run.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
