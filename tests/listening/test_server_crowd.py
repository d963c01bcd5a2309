"""Participants of a crowd: ids, sheets, quota, the end, and early stops; all of it survives the server."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.load_server import Crowd as Crowded
from tests.support.listening_crowd import Clock, arrive, finish, make_study, post, send, state_of
from tests.support.listening_helpers import make_run, make_session, signed
from tests.support.listening_server import Client, Server
from vcbench.base.state import DamagedFile
from vcbench.listening.answers.bundle import Bundle
from vcbench.listening.answers.key import open_key
from vcbench.listening.answers.reading import read
from vcbench.listening.collecting.crowd import Crowd, make_crowd
from vcbench.listening.collecting.identity import Identity, read_identity
from vcbench.listening.collecting.run import make_study as study_of_key
from vcbench.listening.design.build import build
from vcbench.listening.kinds import ListeningError
from vcbench.listening.options import Options

pytest.importorskip("uvicorn", reason="needs uvicorn and starlette: the extra `listen`")
SHEETS = 4


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=4, seconds=0.62)
    options = Options(items=2, listeners=SHEETS, per_item=2, rows=("flowvc", "again_vc"), traps=2)
    return build(run, "mos", folder / "mos", options)


@pytest.fixture(scope="module")
def bundle(key: Path) -> Bundle:
    return Bundle(key.with_suffix(""))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_arrival_gets_the_sheet_that_the_fewest_have(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock, quota=10)
    sheets = [arrive(study, f"person{number}")["listener"] for number in range(10)]
    assert sheets == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]


def test_who_comes_back_has_the_same_sheet(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock)
    first = arrive(study, "anna")
    arrive(study, "bert")
    assert arrive(study, "anna") == first
    clock.pass_minutes(500)
    assert arrive(study, "anna") == first


def test_an_abandoned_sheet_is_free_after_the_hold(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock, hold=60)
    arrivals = [arrive(study, f"p{number}") for number in range(SHEETS)]
    clock.pass_minutes(50)
    finish(study, arrivals[0])
    send(study, state_of(bundle, arrivals[1], 1))  # a sign of life
    assert arrive(study, "late")["state"] == "closed"
    clock.pass_minutes(11)
    assert arrive(study, "late")["listener"] == 3
    assert arrive(study, "later")["listener"] == 4
    assert arrive(study, "last")["state"] == "closed"
    assert finish(study, arrivals[2])["state"] == "complete"  # the first to have sheet 3 finishes after all


def test_everything_is_derived_from_the_files(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    before = make_study(bundle, tmp_path, clock)
    arrivals = {pid: arrive(before, pid) for pid in ("anna", "bert")}
    finish(before, arrivals["anna"])
    after = make_study(bundle, tmp_path, clock)
    assert arrive(after, "bert") == arrivals["bert"]
    assert arrive(after, "anna")["state"] == "complete"
    assert arrive(after, "carl")["listener"] == 3


def test_a_damaged_file_is_told_and_not_skipped(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock)
    path = study.register.path(arrive(study, "anna")["participant"])
    path.write_bytes(path.read_bytes().replace(b'"sheet":1', b'"sheet":2'))
    with pytest.raises(DamagedFile, match="does not match its checksum"):
        make_study(bundle, tmp_path, clock)


@pytest.mark.parametrize("plain", [True, False])
def test_ids_are_stored_as_asked(bundle: Bundle, tmp_path: Path, clock: Clock, plain: bool) -> None:
    study = make_study(bundle, tmp_path, clock, plain=plain)
    arrival = arrive(study, "5f9c0123456789abcdef0123", study="lab-7", session="6a00ffffffffffffffffffff")
    finish(study, arrival)
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    names = " ".join(str(path) for path in tmp_path.rglob("*"))
    assert (b"5f9c0123456789abcdef0123" in stored, b"6a00ffffffffffffffffffff" in stored) == (plain, plain)
    assert b"lab-7" in stored
    assert "5f9c" not in names
    assert (tmp_path / "participants" / "salt").stat().st_mode & 0o077 == 0
    other = make_study(bundle, tmp_path / "other", clock)
    assert arrive(other, "5f9c0123456789abcdef0123")["participant"] != arrival["participant"]  # another salt


@pytest.mark.parametrize("content", [b"", b"{}", b'{"pid":""}', b'{"pid":"=1+1"}', b'{"pid":"a b"}', b'{"pid":"x","more":1}',
                                     b'{"pid":"' + b"a" * 101 + b'"}', b'{"pid":"\\u001b[1m"}', b'{"pid":null}'])  # fmt: skip
def test_what_is_no_id_is_refused(content: bytes) -> None:
    with pytest.raises(ListeningError, match="This is not an arrival"):
        read_identity(content)


def test_a_closed_test_admits_nobody_new(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    anna = arrive(make_study(bundle, tmp_path, clock), "anna")
    study = make_study(bundle, tmp_path, clock, closed=True)
    assert arrive(study, "bert") == {"state": "closed"}
    assert arrive(study, "anna") == anna
    assert finish(study, anna)["state"] == "complete"


def test_the_completion_code_is_given_for_a_complete_session_only(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock, completion="C0DE", screened_out="https://panel.example/out?id={pid}")
    anna = arrive(study, "anna")
    ended = json.loads(state_of(bundle, anna, 1)) | {"ended": "2030-01-02T03:04:05Z"}
    del ended["checksum"]
    for body in (state_of(bundle, anna, 0), state_of(bundle, anna, 2), signed(ended)):
        assert "ending" not in send(study, body)
    assert finish(study, anna)["ending"] == {"code": "C0DE"}
    assert arrive(study, "anna")["ending"] == {"code": "C0DE"}


def wrong_on_traps(bundle: Bundle, traps: Any, arrival: dict[str, Any], count: int) -> bytes:
    """A state in which all are rated, `count` of the traps wrongly."""
    document = json.loads(state_of(bundle, arrival))
    pages = list(dict.fromkeys(answer["page"] for answer in document["answers"] if answer["page"] in traps))
    for answer in document["answers"]:
        if answer["page"] in traps:
            right = traps[answer["page"]][answer["clip"]][0]
            answer["rating"] = right % 5 + 1 if pages.index(answer["page"]) < count else right
    document["ended"] = None
    del document["checksum"]
    return signed(document)


def test_who_fails_the_traps_is_stopped_and_frees_the_sheet(key: Path, bundle: Bundle, tmp_path: Path) -> None:
    study = study_of_key(bundle, tmp_path, Crowd(stop_after=2, screened_out="OUT"), key)
    assert len(study.traps) == 2
    anna = arrive(study, "anna")
    assert send(study, wrong_on_traps(bundle, study.traps, anna, 0))["state"] == "working"
    assert send(study, wrong_on_traps(bundle, study.traps, anna, 1))["state"] == "working"
    assert send(study, wrong_on_traps(bundle, study.traps, anna, 2)) | {"stored": ""} == {
        "stored": "", "state": "stopped", "ending": {"code": "OUT"},
    }  # fmt: skip
    assert arrive(study, "anna")["state"] == "stopped"
    assert arrive(study, "bert")["listener"] == anna["listener"]
    with pytest.raises(ListeningError, match="give --key"):
        study_of_key(bundle, tmp_path, Crowd(stop_after=2))
    with pytest.raises(ListeningError, match=r"the test has 2\. Build it with more --traps"):
        study_of_key(bundle, tmp_path, Crowd(stop_after=3), key)


@pytest.mark.parametrize(("mode", "state"), [("off", "working"), ("record", "working"), ("require", "stopped")])
def test_who_fails_the_headphone_test(bundle: Bundle, tmp_path: Path, clock: Clock, mode: str, state: str) -> None:
    study = make_study(bundle, tmp_path, clock, headphones=mode)
    for right, expected in ((6, "working"), (5, state)):
        tested = {"right": right, "trials": 6, "attempts": 2}
        body = state_of(bundle, arrive(study, f"p{right}"), 0, headphones=tested)
        assert send(study, body)["state"] == expected


def test_two_hundred_at_once_share_the_sheets_evenly(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock, quota=200)
    with ThreadPoolExecutor(16) as pool:
        arrivals = list(pool.map(lambda number: arrive(study, f"p{number % 220}"), range(400)))
    placed = {one["participant"]: one["listener"] for one in arrivals if one["state"] == "working"}
    assert Counter(placed.values()) == {sheet: 50 for sheet in range(1, SHEETS + 1)}


def test_who_arrives_together_gets_what_they_would_get_one_by_one(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    """Newcomers, somebody twice, and somebody who left long ago; a damaged file is told to its owner only."""
    names = [*(f"p{number}" for number in range(6)), "p3", "gone", "p6", "late"]
    studies = []
    for name in ("one", "all"):
        (tmp_path / name / "participants").mkdir(parents=True)
        (tmp_path / name / "participants" / "salt").write_text(64 * "5")
        studies.append(make_study(bundle, tmp_path / name, clock, quota=8))
        arrive(studies[-1], "gone")
    clock.pass_minutes(100)
    alone = [arrive(studies[0], name) for name in names]
    together = studies[1].arrive_all([Identity(pid=name) for name in names])
    assert together == alone
    assert [one["state"] for one in alone] == [*["working"] * 9, "closed"]
    assert studies[1].register.people() == studies[0].register.people()
    studies[1].register.path(alone[0]["participant"]).write_bytes(b"{}")
    damaged, kept = studies[1].arrive_all([Identity(pid="p0"), Identity(pid="p1")])
    assert isinstance(damaged, DamagedFile)
    assert kept == alone[1]


def test_progress_keeps_the_latest_state_whatever_arrives_last(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock)
    anna = arrive(study, "anna")
    for pages in (1, 3, 2):
        send(study, state_of(bundle, anna, pages))
    (newest, _) = sorted((tmp_path / "progress").iterdir(), reverse=True)
    assert newest.read_bytes() == state_of(bundle, anna, 3)
    send(study, state_of(bundle, anna, 4))
    assert [path.read_bytes() for path in (tmp_path / "progress").iterdir()] == [state_of(bundle, anna, 4)]
    finish(study, anna)
    assert list((tmp_path / "progress").iterdir()) == []


def test_participants_with_one_sheet_are_two_listeners(key: Path, bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock, quota=SHEETS + 1)
    arrivals = [arrive(study, f"p{number}") for number in range(SHEETS + 1)]
    assert arrivals[0]["listener"] == arrivals[-1]["listener"]
    for one in arrivals:
        finish(study, one)
    reading = read([tmp_path], open_key(key))
    assert set(reading.table["listener"]) == {one["participant"] for one in arrivals}
    assert reading.notes == []


def test_over_http(bundle: Bundle, tmp_path: Path, clock: Clock) -> None:
    study = make_study(bundle, tmp_path, clock, completion="C0DE", hearing=True)
    with Server(bundle, tmp_path, study) as server:
        client = Client(server.port, tmp_path)
        status, anna = post(client, "/arrive", {"pid": "anna", "study": "s", "session": "t"})
        assert (status, anna["listener"], anna["state"]) == (200, 1, "working")
        script = client.ask("GET", "/collector.js")[1]
        assert b'vcbench.crowd = {"headphones": false, "hearing": true};' in script
        assert b"C0DE" not in script
        assert post(client, "/arrive", {"pid": "=cmd"})[0] == 422
        for body in (
            signed(make_session(bundle)),
            state_of(bundle, anna | {"listener": 2}),
            state_of(bundle, anna | {"participant": "0" * 20}),
        ):
            assert post(client, "/answers", body)[0] == 422
        assert client.kept() == []
        assert post(client, "/answers", state_of(bundle, anna, 1))[1]["state"] == "working"
        status, reply = post(client, "/answers", state_of(bundle, anna))
        assert (status, reply["ending"]) == (201, {"code": "C0DE"})
        assert [path.read_bytes() for path in client.kept()] == [state_of(bundle, anna)]
        assert client.ask("GET", "/participants/salt")[0] == 404


def test_options_of_a_crowd_need_one() -> None:
    assert make_crowd(None, quota=None, closed=False) is None
    assert make_crowd("plain", quota=3) == Crowd(plain=True, quota=3)
    with pytest.raises(ListeningError, match=r"--stop-after, --closed only applies to a crowd\. Add --participants"):
        make_crowd(None, stop_after=2, closed=True)


def test_killed_while_a_crowd_posts_it_has_lost_nothing(bundle: Bundle, tmp_path: Path) -> None:
    crowd = Crowded(bundle, tmp_path / "answers", 24)
    try:
        crowd.run(kills=1)
        crowd.check()
    finally:
        crowd.stop()
