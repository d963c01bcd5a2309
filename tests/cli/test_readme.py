"""Every command in the README and in docs/ runs, at the size of the `tiny` preset, on files with the names that it uses."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from vcbench.systems.again_vc.reference_model import ReferenceAgainVC
from vcbench.systems.again_vc.system import AgainConfig

from tests.support.command import run_here
from vcbench.speech.utterance import Corpus

ROOT = Path(__file__).parents[2]
FEWER = {
    "listen build": ["--items", "2"],
    "bench score": ["--conversions", "4", "--seconds", "1"],
    "bench train": ["--steps", "1"],
    "bench convert": ["--repeats", "1"],
    "vocoder train": ["--workers", "1"],
}
README = (ROOT / "README.md").read_text()
PAGES = (
    "\n".join((ROOT / "docs" / name).read_text() for name in ("usage.md", "own-system.md", "run-folder.md")) + README
)


def blocks(language: str, text: str = PAGES) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands() -> list[list[str]]:
    """Arguments of every `python -m vcbench ...`, each once, except the first two of the README, which install."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("python -m vcbench")]
    inline = re.findall(r"`(python -m vcbench [^`]+)`", PAGES)
    return [shlex.split(line)[3:] for line in dict.fromkeys([*lines, *inline])]


@pytest.fixture(scope="module")
def desk(small_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of a README reader: speech, recordings, a system in a file, and a finished run."""
    desk = tmp_path_factory.mktemp("desk")
    for part, speakers in (("train", small_corpus.speakers[:3]), ("eval", small_corpus.speakers[-2:])):
        for speaker in speakers:
            for utterance in speaker.utterances[:12]:
                copy = desk / "speech" / part / speaker.id / utterance.path.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(utterance.path, copy)
                copy.with_suffix(".txt").write_text(utterance.text or "")
    for name, speaker in zip(("SOURCE.wav", "REF.wav", "REF2.wav"), small_corpus.speakers, strict=False):
        utterance = speaker.utterances[0]
        soundfile.write(desk / name, utterance.wave.numpy(), utterance.sampling_rate)
    (desk / "my_system.py").write_text(next(block for block in blocks("python") if "my_system.py" in block))
    run_here(*small(["run", "--systems", "flowvc,again_vc", "--name", "quick"]), folder=desk)
    (desk / "conversions.csv").write_text("system,converted,source,target\nmine,REF.wav,SOURCE.wav,REF2.wav\n")
    torch.save(ReferenceAgainVC(AgainConfig(hidden=8, gru_hidden=8), 80).state_dict(), desk / "OFFICIAL.pt")
    return desk


def small(arguments: list[str]) -> list[str]:
    """The same command at test size: the tiny preset, and one system instead of all."""
    changed = [argument.replace("training.steps=2000", "training.steps=20") for argument in arguments]
    changed += FEWER.get(" ".join(arguments[:2]), [])
    if "--from" in arguments:  # it has the settings of the first run, which is small
        return [*arguments, "--set", "workers=1"]
    if arguments[0] in ("run", "prepare", "score", "bench") or arguments[:2] == ["study", "again_table1"]:
        changed = [re.sub(r"^all", "again_vc", argument) for argument in changed]
        changed += ["--preset", "tiny"]
        if arguments[0] in ("run", "study"):
            changed += ["--set", "metrics.speaker_probe.steps=20"]
        if arguments[0] == "study":
            changed += ["--seeds", "1"]
        if arguments[0] != "bench":
            changed += ["--set", "workers=1"]
        if arguments == ["run", "--pretrained"]:  # usage.md has it again, with a name, for all systems
            changed += ["--systems", "again_vc"]
        if "--name" not in changed and arguments[0] == "run":
            changed += ["--name", "readme-pretrained" if "--pretrained" in changed else "readme"]
    return changed


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_command_of_the_readme(desk: Path, arguments: list[str]) -> None:
    assert run_here(*small(arguments), folder=desk).strip()


def test_the_library_s_example_runs(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the commands: it scores what one of them converted."""
    monkeypatch.chdir(desk)
    values: dict[str, Any] = {}
    exec(next(block for block in blocks("python") if "load_run" in block), values)
    assert len(values["run"].leaderboard)
    assert values["rate"] == 22050
    assert len(values["wave"]) > 1000


@pytest.mark.slow
def test_the_notebook_runs(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install nbclient ipykernel")
    import nbformat

    monkeypatch.chdir(desk)
    notebook = nbformat.read(ROOT / "examples" / "first_steps.ipynb", as_version=4)
    client.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(desk)}}).execute()
    last = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert float(last) > 0.5


def test_the_two_first_commands_install_what_pyproject_offers() -> None:
    first = [block.strip() for block in blocks("sh", README)[:2]]
    assert first[0].endswith('pip install -e ".[offline]" && .venv/bin/python -m vcbench run --systems all')
    assert first[1].endswith('pip install -e ".[offline,test]" && .venv/bin/pytest')
    offered = (ROOT / "pyproject.toml").read_text()
    assert "offline = [" in offered
    assert "test = [" in offered
