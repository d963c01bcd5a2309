"""Answers of every format are read into one table; answers to another bundle are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.listening_answers import (
    answered,
    php,
    pymushra,
    pymushra_csv,
    ratings,
    webmushra_session,
    write,
)
from tests.support.listening_helpers import make_run, signed
from vcbench.listening.answers.key import Key, open_key
from vcbench.listening.answers.reading import read
from vcbench.listening.answers.webmushra import number, whole
from vcbench.listening.design.build import build
from vcbench.listening.design.webmushra import can_say
from vcbench.listening.kinds import KINDS, ListeningError
from vcbench.listening.options import Options

TESTS = {
    "mos": Options(items=2, listeners=2, per_item=2, rows=("flowvc", "again_vc"), traps=1, gold=1),
    "preference": Options(items=2, listeners=2, per_item=2, rows=("flowvc", "again_vc"), no_preference=True),
    "cmos": Options(items=2, listeners=2, per_item=2, rows=("flowvc", "again_vc")),
    "abx": Options(items=2, listeners=2, per_item=2, rows=("flowvc", "again_vc")),
    "mushra": Options(items=2, listeners=2, per_item=2, rows=("flowvc", "again_vc")),
}
FOR_WEBMUSHRA = [test for test in KINDS if can_say(test)]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=5, seconds=0.4)
    options = {**dict.fromkeys(FOR_WEBMUSHRA, TESTS["cmos"]), **TESTS}
    return {test: open_key(build(run, test, folder / test, one)) for test, one in options.items()}


def test_own_sessions(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["mos"]
    documents = [answered(key, 1, 1), answered(key, 2, 2)]
    reading = read([write(tmp_path / "results", *documents)], key)
    given = {(str(d["listener"]), a["page"], a["clip"]): a["rating"] for d in documents for a in d["answers"]}
    assert ratings(reading.table) == given
    assert reading.missing.empty
    assert reading.notes == []
    purposes = reading.table.groupby("listener")["purpose"].value_counts()
    assert purposes["1"].to_dict() == {"rated": 4, "trap": 1, "gold": 1}
    rated = reading.table[reading.table["purpose"] == "rated"]
    assert set(rated["system"]) == {"flowvc", "again_vc"}
    assert [key.content["clips"][clip]["trial"] for clip in rated["clip"]] == rated["item"].tolist()
    assert set(reading.table["seconds"]) == {0.0}
    assert reading.table["source"].tolist() == ["0.json"] * 6 + ["1.json"] * 6


@pytest.mark.parametrize("test", FOR_WEBMUSHRA)
def test_pymushra_hands_out_a_configuration_and_what_it_stores_is_read(
    keys: dict[str, Key], tmp_path: Path, test: str
) -> None:
    """A session of each design by pymushra's application: its database, and the CSV file that it makes from it."""
    service = pytest.importorskip("pymushra.service", reason="needs pymushra: the extra `test`")
    from tinydb import TinyDB

    key = keys[test]
    document, identity = answered(key), key.content["id"]
    (tmp_path / "tree" / "configs").mkdir(parents=True)
    (tmp_path / "tree" / "configs" / identity).symlink_to(key.bundle.folder)
    with TinyDB(tmp_path / "db.json") as database:
        allowed = {"webmushra_dir": tmp_path / "tree", "db": database, "admin_allowlist": ["127.0.0.1"]}
        service.app.config.update(allowed)
        client = service.app.test_client()
        config = yaml.safe_load(client.get(f"/configs/{identity}/webmushra/listener_001.yaml").data)
        assert config["testId"] == identity
        session = webmushra_session(key, document)
        reply = client.post("/service/write.php", data={"sessionJSON": json.dumps(session)})
        assert reply.json["error"] is False, reply.json
        (tmp_path / "download.csv").write_bytes(client.get(f"/download/{identity}.csv").data)
    given = {(str(document["listener"]), a["page"], a["clip"]): a["rating"] for a in document["answers"]}
    for name in ("db.json", "download.csv"):
        assert ratings(read([tmp_path / name], key).table) == given, name


@pytest.mark.parametrize("test", TESTS)
def test_foreign_formats_say_the_same(keys: dict[str, Key], tmp_path: Path, test: str) -> None:
    key = keys[test]
    document = answered(key)
    if not key.kind.pairs:
        document["answers"][2]["rating"] = document["answers"][2]["rated"] = None
    expected = ratings(read([write(tmp_path / "own", document)], key).table)
    php(key, document, tmp_path / "php.csv")
    (tmp_path / "tiny.json").write_text(json.dumps({"_default": {}, **pymushra(key, document)}))
    pymushra_csv(pymushra(key, document), tmp_path / "download.csv")
    for name in ("php.csv", "tiny.json", "download.csv"):
        reading = read([tmp_path / name], key)
        assert ratings(reading.table) == pytest.approx(expected, nan_ok=True), name
        assert set(reading.table["seconds"].dropna()) == {0.9}
        assert reading.table["heard"].isna().all()
    both = read([tmp_path / "tiny.json", tmp_path / "download.csv"], key)
    assert ratings(both.table) == pytest.approx(expected, nan_ok=True)
    assert "one more state of the same session" in both.notes[0]


def test_sides_of_a_preference(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["preference"]
    php(key, answered(key), tmp_path / "lss.csv")
    table = read([tmp_path / "lss.csv"], key).table
    sheet = key.sheet("1") or []
    assert [[shown["page"], clip] for shown in sheet for clip in shown["order"]] == table[
        ["page", "clip"]
    ].to_numpy().tolist()
    assert table["position"].tolist() == [0, 1] * len(sheet)
    assert table["rating"].tolist() == [1, 0, 0, 0][: len(table)]


def test_multiple_stimuli_and_paired_comparisons(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["preference"]
    pages = [shown["page"] for shown in key.sheet("1") or []]
    clips = {page: next(one["stimuli"] for one in key.bundle.manifest["pages"] if one["id"] == page) for page in pages}
    lines = ["session_test_id,listener_id,trial_id,choice_reference,choice_non_reference,choice_answer,choice_time"]
    choices = {pages[0]: "incorrect", pages[1]: "undecided"}
    lines += [f"{key.content['id']},1,{page},reference,{clips[page][0]},{choices[page]},5" for page in pages]
    (tmp_path / "paired_comparison.csv").write_text("\n".join(lines))
    found = ratings(read([tmp_path / "paired_comparison.csv"], key).table)
    assert [found["1", pages[0], clip] for clip in clips[pages[0]]] == [1, 0]
    assert [found["1", pages[1], clip] for clip in clips[pages[1]]] == [0, 0]
    key = keys["mos"]
    php(key, answered(key), tmp_path / "lss.csv")
    text = (tmp_path / "lss.csv").read_text()
    several = [re.sub(r"((?:[^,]*,){3})([^,]*)", r"\1\2,\2", line) for line in text.splitlines()]
    (tmp_path / "several.csv").write_text(
        "\n".join(several).replace("rating,stimuli_rating,", "rating1,stimuli_rating2,", 1)
    )
    with pytest.raises(ListeningError, match="several ratings of each clip"):
        read([tmp_path / "several.csv"], key)
    (tmp_path / "one.csv").write_text(text.replace("stimuli_rating", "stimuli_rating1", 1))
    assert ratings(read([tmp_path / "one.csv"], key).table) == ratings(read([tmp_path / "lss.csv"], key).table)


def test_plain_table(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["mushra"]
    items = {
        place["trial"]
        for place in key.content["clips"].values()
        if key.content["pages"][place["page"]]["purpose"] == "rated"
    }
    rows = [(listener, item, row, 50) for listener in ("007", "1e10") for item in sorted(items) for row in key.rows]
    path = tmp_path / "plain.csv"
    path.write_text("listener\titem\tsystem\trating\n" + "".join("{}\t{}\t{}\t{}\n".format(*row) for row in rows))
    reading = read([path], key)
    found = reading.table[["listener", "item", "system", "rating"]].itertuples(index=False, name=None)
    assert list(found) == rows  # a name that looks like a number is kept
    path.write_text("listener,item,system,rating\nme,t0000,vocoder,50\n")
    with pytest.raises(ListeningError, match=r"no clip of system 'vocoder' and item 't0000'; its systems are flowvc"):
        read([path], key)
    with pytest.raises(ListeningError, match="needs the column page"):
        read([path], keys["preference"])


def test_doubles_are_dropped_and_said(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["mos"]
    early, late, other = answered(key), answered(key), answered(key, session=2)
    early["answers"][-1]["rating"] = early["answers"][-1]["rated"] = None
    other["answers"][0]["rating"] = other["answers"][0]["rated"] = None
    reading = read([write(tmp_path / "results", early, late, other)], key)
    assert ratings(reading.table) == {("1", a["page"], a["clip"]): a["rating"] for a in late["answers"]}
    assert reading.notes[:2] == [
        "Listener 1 sent one more state of the same session; the most complete one counts.",
        "Listener 1 has 2 sessions; the most complete one (00000000) counts.",
    ]
    php(key, late, tmp_path / "lss.csv")
    lines = (tmp_path / "lss.csv").read_text().splitlines()
    lines[-1:] = [lines[-1], lines[-1], lines[-1].replace(lines[-1].split(",")[3], " 1 ")]
    changed = lines[-1] != lines[-2]
    (tmp_path / "lss.csv").write_text("\n".join(lines))
    reading = read([tmp_path / "lss.csv"], key)
    assert ratings(reading.table) == {("1", a["page"], a["clip"]): a["rating"] for a in late["answers"]}
    assert f"2 repeated answers were dropped; {int(changed)} of them differed" in reading.notes[0]


def test_missing_ratings_are_reported(keys: dict[str, Key], tmp_path: Path) -> None:
    key = keys["mos"]
    document = answered(key)
    for answer in document["answers"][4:]:
        answer["rating"] = answer["rated"] = None
    reading = read([write(tmp_path / "results", document)], key)
    assert reading.missing.to_dict("records") == [{"listener": "1", "clips": 6, "missing": 2}]
    assert reading.notes == ["1 of 2 planned listeners sent no answers."]


def no_number(text: str, key: Key) -> str:
    return text.replace(" 1 ", "good")


def out_of_scale(text: str, key: Key) -> str:
    return text.replace(" 1 ", " 7 ")


def other_bundle(text: str, key: Key) -> str:
    return text.replace(key.content["id"], "vcbench_mos_other")


def other_sheet(text: str, key: Key) -> str:
    return text.replace(",001,", ",3,")


def other_page(text: str, key: Key) -> str:
    return text.replace((key.sheet("1") or [])[0]["page"], "p_other")


def no_listener(text: str, key: Key) -> str:
    return text.replace("listener_id", "email")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_number, "the rating 'good' is not a number"),
        (out_of_scale, "7; allowed: 1 to 5"),
        (other_bundle, "answers to vcbench_mos_other; this is"),
        (other_sheet, "no listener '3'; allowed: 1 to 2"),
        (other_page, "has no page 'p_other'"),
        (no_listener, "no column listener_id"),
    ],
)
def test_refused_tables(keys: dict[str, Key], tmp_path: Path, change: Callable[[str, Key], str], message: str) -> None:
    php(keys["mos"], answered(keys["mos"]), tmp_path / "lss.csv")
    (tmp_path / "bad.csv").write_text(change((tmp_path / "lss.csv").read_text(), keys["mos"]))
    with pytest.raises(ListeningError, match=message):
        read([tmp_path / "bad.csv"], keys["mos"])


def test_refused_sessions(keys: dict[str, Key], tmp_path: Path) -> None:
    key, path = keys["mos"], tmp_path / "bad.json"
    path.write_bytes(signed(answered(keys["mushra"])))
    with pytest.raises(ListeningError, match=r"The session answers vcbench_mushra_.*; this is vcbench_mos_"):
        read([path], key)
    path.write_bytes(signed(answered(key)).replace(b'"rating":1', b'"rating":5', 1))
    with pytest.raises(ListeningError, match="was changed or damaged"):
        read([path], key)
    path.write_text(json.dumps(pymushra(keys["mushra"], answered(keys["mushra"]))))
    with pytest.raises(ListeningError, match="it has answers to vcbench_mushra_"):
        read([path], key)
    path.write_text("not JSON")
    with pytest.raises(ListeningError, match="it is not valid JSON"):
        read([path], key)
    with pytest.raises(ListeningError, match="does not exist"):
        read([tmp_path / "nothing"], key)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ListeningError, match="There are no answers"):
        read([tmp_path / "empty"], key)
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ListeningError, match=r"its columns are a, b\. Allowed: a session of vcbench's page"):
        read([tmp_path / "odd.csv"], key)


def test_key_and_bundle_belong_together(keys: dict[str, Key], tmp_path: Path) -> None:
    bundles = keys["mos"].bundle.folder.parent
    with pytest.raises(ListeningError, match="Give the bundle of this key with --bundle"):
        open_key(bundles / "mos.key", bundles / "mushra")
    with pytest.raises(ListeningError, match=r"has no key.json"):
        open_key(bundles / "mos")


def test_numbers() -> None:
    assert [number(text) for text in (" 4 ", "[4]", "['4']", "87.5")] == [4, 4, 4, 87.5]
    assert all(number(text) != number(text) for text in ("", "NA", "nan", "[None]"))
    assert [whole(text) for text in ("007", "7.0", " 12 ", "anna")] == ["7", "7", "12", "anna"]
