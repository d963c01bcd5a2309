"""A run that repeats another has its settings, whatever preset is the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.made_up_run import made_up_run
from vcbench.run import config
from vcbench.run.again import repeat_run
from vcbench.run.folder import RunError
from vcbench.run.run import Run


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Run:
    values = config.resolve("tiny", None, ["seed=5", "metrics.prosody={}"])
    values["systems"] = {"again_vc": {"hidden": 12}}
    return Run.create(tmp_path_factory.mktemp("runs") / "first", config.parse(values | {"name": "first"}))


def test_all_settings_are_the_old_run_s(old: Run, tmp_path: Path) -> None:
    new = repeat_run(old.folder, None, ["device=cpu", "workers=1"], None, tmp_path)
    assert new.folder == tmp_path / "first-again"
    where = {"name": "first-again", "device": "cpu", "workers": 1}
    assert new.config == old.config.model_copy(update=where)
    assert repeat_run(old.folder, None, ["device=cpu", "workers=1"], None, tmp_path).folder == new.folder  # goes on


def test_what_would_make_another_run_is_refused(old: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"seed, systems\.again_vc\.hidden would change.*--config .*run\.toml"):
        repeat_run(old.folder, None, ["seed=6", "systems.again_vc.hidden=13"], None, tmp_path)
    with pytest.raises(RunError, match="is the run itself"):
        repeat_run(old.folder, "first", None, None, old.folder.parent)
    assert not list(tmp_path.iterdir())


def test_imported_speech_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    scored = made_up_run(tmp_path / "runs" / "made-up", ["one"], {"one": 0.5})
    with pytest.raises(RunError, match="Repeat it with `vcbench score`"):
        repeat_run(scored.folder, None, None, None, tmp_path)
