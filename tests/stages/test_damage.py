"""A damaged file of a run is told in a sentence or made again; it is never a traceback, nor a table that lacks something."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.made_up_run import made_up_run
from vcbench.base.errors import UserError
from vcbench.base.state import write_state
from vcbench.cli.verbs import report
from vcbench.reporting.manifest import write_manifest
from vcbench.run.run import Run

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "null": lambda content: b"null",
    "an empty object": lambda content: b"{}",
    "an empty list": lambda content: b"[]",
    "text": lambda content: b"\xff\xfenot what was written",
}
FILES = [
    "run.toml", "manifest.json", "prepared.json", "trials.parquet", "notes.json", "listening.json",
    "converted/one/conversions.parquet", "converted/one/costs.json", "systems/one/training.json",
    "scores/Made.parquet", "scores/Made.json",
]  # fmt: skip
MADE_AGAIN = {"manifest.json"}  # a report does not need it


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("damaged") / "runs"
    folder.mkdir()
    run = made_up_run(folder / "made", ["one"], {"one": 0.5, "source": 0.2, "target": 0.9})
    write_manifest(run, {"prepare": 1.0})
    write_state(run.files.notes, {"lines": ["A line."]})
    write_state(run.files.ratings, {"tests": {}})
    write_state(run.files.conversion_state("one"), {"key": "0", "done": True, "costs": {"audio_seconds": 1.0}})
    write_state(run.files.training("one"), {"hashes": {}, "costs": {"parameters": 1}})
    return run


@pytest.fixture(scope="module")
def before(run: Run) -> str:
    """The report of the undamaged run."""
    return report(run.folder).read_text()


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_report_of_a_damaged_run(run: Run, before: str, name: str, damage: str) -> None:
    path = run.folder / name
    content = path.read_bytes()
    path.write_bytes(DAMAGES[damage](content))
    try:
        after = report(run.folder).read_text()
    except UserError as error:
        told = str(error)
    else:
        told = ""
        assert name in MADE_AGAIN or after == before
    finally:
        path.write_bytes(content)
    if name not in MADE_AGAIN and not told:
        assert name.endswith(("training.json", "costs.json"))  # only the metric `efficiency` reads them
    if told and name != "run.toml":
        assert path.name in told
        assert "`vcbench" in told


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_costs_of_a_system_are_checked(run: Run, damage: str) -> None:
    for path in (run.files.training("one"), run.files.conversion_state("one")):
        content = path.read_bytes()
        path.write_bytes(DAMAGES[damage](content))
        with pytest.raises(UserError, match=rf"{path.name} .*`vcbench run` makes it again"):
            run.efficiency("one")
        path.write_bytes(content)
    assert run.efficiency("one") == {"parameters": 1, "audio_seconds": 1.0}


def test_a_changed_figure_is_a_damage(run: Run) -> None:
    whole = run.files.training("one").read_text()
    content = json.loads(whole)
    content["costs"]["parameters"] = 2
    run.files.training("one").write_text(json.dumps(content))
    with pytest.raises(UserError, match="does not match its checksum"):
        run.efficiency("one")
    run.files.training("one").write_text(whole)
