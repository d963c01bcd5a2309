"""`vcbench run --from`: a finished run again, from its folder alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tomli_w

from vcbench.base.state import read_state
from vcbench.cli.app import main
from vcbench.run import config
from vcbench.run.run import Run


def vcbench(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["vcbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code


def test_a_repeated_run_has_the_same_settings_and_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    values = config.resolve("tiny", None, ["name=first", "seed=3", "workers=1"])
    values |= {
        "systems": {"copy_source": {}},
        "metrics": {"prosody": {}, "efficiency": {}},
        "reference_rows": ["source"],
    }
    settings = tmp_path / "settings.toml"
    settings.write_text(tomli_w.dumps(config.plain(config.parse(values))))
    vcbench(monkeypatch, "run", "--config", settings, "--runs", tmp_path)
    first = tmp_path / "first"
    assert Run.open(first).systems == ["copy_source"]  # and none of `quick`
    command = read_state(first / "manifest.json", "")["command"]
    assert command == f"vcbench run --config {settings} --runs {tmp_path}"
    assert "prosody" in (first / "methods.md").read_text()

    vcbench(monkeypatch, "run", "--from", first, "--runs", tmp_path / "again")
    again = tmp_path / "again" / "first-again"
    assert Run.open(again).config == Run.open(first).config.model_copy(update={"name": "first-again"})
    said = (again / "repeat.md").read_text()
    assert "are equal to the last digit, 0 differ." in said
    assert "real-time factor" in said  # left out: it is measured by the clock
    assert "hash of the" not in said  # of corpus and trials
    assert "0 differ" in " ".join(capsys.readouterr().out.split())
