"""`listen status`, `listen export` and `listen forget`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.listening_crowd import Clock, arrive, finish, make_study, post, send, state_of
from tests.support.listening_helpers import make_run
from tests.support.listening_server import Client, Server
from vcbench.cli.app import app
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import open_key
from vcbench.listening.collecting.export import export
from vcbench.listening.collecting.forget import forget
from vcbench.listening.collecting.register import utc_now
from vcbench.listening.collecting.status import look
from vcbench.listening.collecting.study import Study
from vcbench.listening.design.build import build
from vcbench.listening.kinds import ListeningError
from vcbench.listening.options import Options

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=3, seconds=0.62)
    return build(run, "mos", folder / "mos", Options(items=2, listeners=4, per_item=2, rows=("flowvc", "again_vc")))


@pytest.fixture(scope="module")
def bundle(key: Path) -> Bundle:
    return Bundle(key.with_suffix(""))


@pytest.fixture
def study(bundle: Bundle, tmp_path: Path) -> Study:
    """Anna has finished, Bert has rated one page, Carl left long ago, Dora was stopped."""
    clock = Clock()
    clock.time = utc_now()
    clock.pass_minutes(-100)
    study = make_study(bundle, tmp_path / "answers", clock, plain=True, headphones="require")
    arrive(study, "carl")
    clock.pass_minutes(90)
    finish(study, arrive(study, "anna", study="s1", session="t1"))
    send(study, state_of(bundle, arrive(study, "bert"), 1))
    failed = {"right": 2, "trials": 6, "attempts": 2}
    send(study, state_of(bundle, arrive(study, "dora"), 0, headphones=failed))
    return study


def test_status_says_who_is_where(study: Study, bundle: Bundle) -> None:
    status = look(bundle, study.collection.folder)
    assert {person.pid: state for person, state in status.people} == {
        "carl": "abandoned", "anna": "complete", "bert": "working", "dora": "stopped",
    }  # fmt: skip
    pages = len(bundle.sheets["1"]["rounds"][0]) * len(bundle.sheets["1"]["rounds"])
    assert {person.pid: (person.done, person.pages) for person, _ in status.people}["bert"] == (1, pages)
    assert sum(status.ratings.values()) == pages + 1
    assert sum(status.planned.values()) == sum(len(one) for sheet in bundle.sheets.values() for one in sheet["rounds"])
    text = "\n".join(status.lines(clips=True))
    assert "1 complete, 1 working, 1 stopped, 1 abandoned." in text
    assert "dora" in text
    assert "stopped (headphones), last seen 10 min ago" in text
    assert f"{next(iter(status.planned))}  " in text


def test_export_has_a_row_for_each_clip(study: Study, key: Path, tmp_path: Path) -> None:
    rows = export(study.collection.folder, tmp_path / "blind.csv")
    with (tmp_path / "blind.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == rows
    anna = [row for row in table if row["pid"] == "anna" and row["training"] == "False"]
    assert {(row["study"], row["platform_session"], row["rating"]) for row in anna} == {("s1", "t1", "3")}
    assert sum(row["rating"] != "" for row in table if row["pid"] == "bert" and row["training"] == "False") == 1
    assert {row["headphones_right"] for row in table if row["pid"] == "dora"} == {"2"}
    assert not {"system", "item"} & set(table[0])
    export(study.collection.folder, tmp_path / "open.csv", open_key(key))
    with (tmp_path / "open.csv").open(newline="") as file:
        assert {row["system"] for row in csv.DictReader(file)} == {"flowvc", "again_vc"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(ListeningError, match="There are no answers"):
        export(tmp_path / "empty", tmp_path / "none.csv")


@pytest.mark.parametrize("by_code", [False, True])
def test_forgetting_deletes_all_and_leaves_a_record(study: Study, bundle: Bundle, by_code: bool) -> None:
    results = study.collection.folder
    anna = arrive(study, "anna")
    others = {path for path in results.rglob("*") if path.is_file() and anna["participant"] not in path.name}
    assert forget(results, anna["participant"] if by_code else "anna") == 2
    left = {path for path in results.rglob("*") if path.is_file()}
    (record,) = left - others
    assert record.parent.name == "forgotten"
    content = json.loads(record.read_bytes())
    assert (content["code"], content["files"], "anna" in record.read_text()) == (anna["participant"], 2, False)
    assert not any(b'"anna"' in path.read_bytes() for path in left)
    with pytest.raises(ListeningError, match="were deleted before"):
        forget(results, "anna")
    assert forget(results, "bert") == 2  # the state of an unfinished session, too


def test_what_was_forgotten_does_not_come_back(study: Study, bundle: Bundle) -> None:
    results = study.collection.folder
    bert = arrive(study, "bert")
    with Server(bundle, results, study) as server:
        client = Client(server.port, results)
        forget(results, "bert")  # while the server runs, and the browser is still open
        assert post(client, "/answers", state_of(bundle, bert))[0] == 410
        assert post(client, "/arrive", {"pid": "bert"})[1] == {"state": "closed"}
    assert not list(results.rglob(f"*{bert['participant']}_*"))


def test_nobody_by_that_name(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ListeningError, match="has no data of 'emil'"):
        forget(study.collection.folder, "emil")
    with pytest.raises(ListeningError, match="is not an id that a participant can have"):
        forget(study.collection.folder, "../salt")
    with pytest.raises(ListeningError, match="has no participants"):
        forget(tmp_path, "anna")


def test_the_commands(study: Study, key: Path, bundle: Bundle, tmp_path: Path) -> None:
    results, runner = str(study.collection.folder), CliRunner()
    shown = runner.invoke(app, ["listen", "status", str(bundle.folder), "--results", results])
    assert "1 complete, 1 working, 1 stopped, 1 abandoned." in shown.output
    done = runner.invoke(app, ["listen", "export", results, "--out", str(tmp_path / "a.csv"), "--key", str(key)])
    assert "rows to" in done.output.replace("\n", " ")
    assert (tmp_path / "a.csv").is_file()
    gone = runner.invoke(app, ["listen", "forget", "carl", "--results", results])
    assert "Deleted 1 file." in gone.output
