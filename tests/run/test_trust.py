"""A run folder from a stranger runs no code and writes nothing outside."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from typer.testing import CliRunner

from tests.support.made_up_run import made_up_run
from vcbench.base.settings import read_toml
from vcbench.base.state import write_parquet
from vcbench.cli.app import app
from vcbench.run import trust
from vcbench.run.folder import RunError, RunFolder, read_trials
from vcbench.run.run import Run

PLUGIN = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n\nclass Mine:\n    produces = 'wave'\n"


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose run.toml names a Python file, opened in a process where the user named none."""
    (tmp_path / "runs").mkdir()
    run = made_up_run(tmp_path / "runs" / "foreign", ["one"], {"one": 0.5, "source": 0.2, "target": 0.9})
    (tmp_path / "bad.py").write_text(PLUGIN)
    values = read_toml(run.files.settings)
    values["systems"] = {"one": {"system": f"{tmp_path / 'bad.py'}:Mine"}}
    run.files.settings.write_text(tomli_w.dumps(values))
    monkeypatch.delenv(trust.VARIABLE, raising=False)
    return run


@pytest.mark.parametrize(
    "command",
    [
        ["report", "RUN"],
        ["train", "RUN"],
        ["convert", "SOURCE.wav", "--run", "RUN", "--system", "one", "--target", "T.wav", "-o", "out.wav"],
        ["listen", "build", "RUN", "--test", "mos", "--out", "test"],
        ["run", "--preset", "tiny", "--systems", "again_vc", "--name", "foreign", "--runs", "RUNS"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_no_command_runs_a_file_that_the_user_did_not_name(foreign: Run, command: list[str], tmp_path: Path) -> None:
    places = {"RUN": str(foreign.folder), "RUNS": str(foreign.folder.parent)}
    result = CliRunner().invoke(app, [places.get(part, part) for part in command])
    assert isinstance(result.exception, RunError)
    assert "--allow-code" in str(result.exception)
    assert not (tmp_path / "ran").exists()


def test_a_trusted_folder_opens(foreign: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"bad\.py, and opening this run would run it"):
        Run.open(foreign.folder)
    trust.trust_everything()
    Run.open(foreign.folder)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["../../victim", "/tmp/victim", "a/../../../victim"])
def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    files = RunFolder(tmp_path / "runs" / "x")
    for path in (files.system, files.checkpoint, files.converted, files.outcomes, files.scores, files.training_log):
        with pytest.raises(RunError, match="leads out of the run's folder"):
            path(name)


def test_a_trials_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="leads out of the run's folder"):
        RunFolder(tmp_path / "runs" / "x").conversion("one", "../../../victim")


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "x" / "converted").mkdir(parents=True)
    (tmp_path / "x" / "converted" / "one").symlink_to(tmp_path)
    with pytest.raises(RunError, match="leads out"):
        RunFolder(tmp_path / "x").conversion("one", "t0")


def test_a_trial_is_a_files_name(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    run = made_up_run(tmp_path / "runs" / "made", ["one"], {"one": 0.5})
    write_parquet(run.files.trials, run.trials.assign(trial="../../x"))
    with pytest.raises(RunError, match="has a trial"):
        read_trials(run.files)
