"""Any file as a listener's answers: it is read, or a sentence says which file, what is wrong and what is allowed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.damage import as_json, damaged_bytes, damaged_document, damaged_table
from tests.support.listening_answers import answered, php, pymushra, pymushra_csv
from tests.support.listening_helpers import make_run, signed
from tests.support.outcome import refusal
from vcbench.listening.analysis.screening import screen
from vcbench.listening.answers.key import Key, open_key
from vcbench.listening.answers.reading import read
from vcbench.listening.answers.session import read_session
from vcbench.listening.collecting.identity import read_identity
from vcbench.listening.design.build import build
from vcbench.listening.kinds import ListeningError
from vcbench.listening.options import Options

OPTIONS = Options(items=2, listeners=2, per_item=2, rows=("flowvc", "again_vc"))
TESTS = ("mos", "cmos", "preference", "abx", "bws", "mushra")


def options_of(test: str) -> Options:
    rows = ("flowvc", "again_vc", "third_system") if test == "bws" else OPTIONS.rows
    return OPTIONS.model_copy(update={"no_preference": test == "preference", "rows": rows})


SUFFIXES = {"session": ".json", "database": ".json", "php": ".csv", "download": ".csv", "plain": ".csv"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("bundles")
    run = make_run(folder / "run", trials=3, seconds=0.62)
    return {test: open_key(build(run, test, folder / test, options_of(test))) for test in TESTS}


def plain(key: Key) -> str:
    """A plain table, as of a test made elsewhere: VCC2020 publishes its ratings like this."""
    rows = ["listener,item,system,page,rating"]
    for place in key.content["clips"].values():
        if key.content["pages"][place["page"]]["purpose"] == "rated" and place["role"] in key.rows:
            rows.append(f"EN001,{place['trial']},{place['role']},{place['page']},{key.content['values'][0]}")
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def good(keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], bytes]:
    """A valid file by format and test."""
    folder = tmp_path_factory.mktemp("good")
    files: dict[tuple[str, str], bytes] = {}
    for test, key in keys.items():
        document = answered(key)
        php(key, document, folder / "php.csv")
        pymushra_csv(pymushra(key, document), folder / "download.csv")
        files["session", test] = signed(document)
        files["database", test] = as_json({"_default": {}, **pymushra(key, document)})
        files["php", test] = (folder / "php.csv").read_bytes()
        files["download", test] = (folder / "download.csv").read_bytes()
        files["plain", test] = plain(key).encode()
    return files


@pytest.fixture(scope="module")
def try_reading(keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str, bytes], None]:
    folder = tmp_path_factory.mktemp("damaged")

    def read_and_screen(path: Path, key: Key) -> None:
        table = read([path], key).table
        table["listener"].str.encode("utf-8")
        screen(table, key.plan, key.gold)

    def attempt(form: str, test: str, content: bytes) -> None:
        path = folder / f"answers{SUFFIXES[form]}"
        path.write_bytes(content)
        error = refusal(read_and_screen, path, keys[test])
        if error is not None:
            assert path.name in str(error)
            assert len(str(error)) < 2000
            str(error).encode()
        if form == "session":  # as the server reads it, which answers with the message
            refused = refusal(read_session, content)
            assert refused is None or str(refused).encode()

    return attempt


tests, forms = st.sampled_from(TESTS), st.sampled_from(sorted(SUFFIXES))
Good = dict[tuple[str, str], bytes]
Attempt = Callable[[str, str, bytes], None]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("form", SUFFIXES)
def test_the_valid_file_is_read(good: Good, keys: dict[str, Key], tmp_path: Path, form: str, test: str) -> None:
    path = tmp_path / f"good{SUFFIXES[form]}"
    path.write_bytes(good[form, test])
    assert refusal(read, [path], keys[test]) is None


@settings(max_examples=200, deadline=None)
@given(test=tests, form=forms, data=st.data())
def test_bytes_are_damaged(good: Good, try_reading: Attempt, test: str, form: str, data: st.DataObject) -> None:
    try_reading(form, test, data.draw(damaged_bytes(good[form, test])))


@settings(max_examples=150, deadline=None)
@given(test=tests, data=st.data())
def test_a_session_is_damaged(good: Good, try_reading: Attempt, test: str, data: st.DataObject) -> None:
    """With the checksum of what it became, so that the damage is not found by it."""
    document = data.draw(damaged_document(json.loads(good["session", test])))
    if isinstance(document, dict):
        document.pop("checksum", None)
        try:
            document = json.loads(signed(document))
        except ValueError:
            document["checksum"] = "0" * 64
    try_reading("session", test, as_json(document))


@settings(max_examples=150, deadline=None)
@given(test=tests, data=st.data())
def test_a_database_of_pymushra_is_damaged(good: Good, try_reading: Attempt, test: str, data: st.DataObject) -> None:
    try_reading("database", test, as_json(data.draw(damaged_document(json.loads(good["database", test])))))


@settings(max_examples=150, deadline=None)
@given(test=tests, form=st.sampled_from(["php", "download", "plain"]), data=st.data())
def test_a_table_is_damaged(good: Good, try_reading: Attempt, test: str, form: str, data: st.DataObject) -> None:
    separator = ";" if form == "download" else ","
    try_reading(form, test, data.draw(damaged_table(good[form, test].decode(), separator)))


@settings(max_examples=100, deadline=None)
@given(
    form=forms,
    content=st.one_of(st.binary(max_size=100), st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace"))),
)
@example(form="session", content=b"")
@example(form="session", content=b"[" * 100_000)
@example(form="session", content=b'{"a":' * 100_000)
@example(form="session", content=b"9" * 10_000)
@example(form="database", content=b'{"\\ud800": {"1": {"questionaire": {}}}}')
@example(form="php", content=b"\n\n")
@example(form="php", content="session_test_id,stimuli".encode("utf-16"))
@example(form="plain", content=b'listener,item,system,rating\n"a')
@example(form="plain", content=b"listener,item,system,rating\n" + b"a" * 200_000 + b",b,c,1\n")
def test_any_bytes(try_reading: Attempt, form: str, content: bytes) -> None:
    try_reading(form, "mos", content)


@settings(max_examples=200, deadline=None)
@given(content=damaged_bytes(b'{"pid":"5f9c","study":"a1","session":"b2"}'))
@example(content=b'{"pid":"a","\\ud800":1}')
@example(content=b'{"pid":"\\ud800"}')
@example(content=b'{"pid":"a\\u202eb"}')
@example(content=b"[" * 100_000)
def test_an_arrival_is_damaged(content: bytes) -> None:
    error = refusal(read_identity, content)
    if error is not None:
        assert str(error).isprintable()
        assert len(str(error)) < 1000


@settings(max_examples=100, deadline=None)
@given(name=st.sampled_from(["key.json", "gold.json", "analysis_plan.toml"]), data=st.data())
def test_a_key_is_damaged(
    keys: dict[str, Key], tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    """A flipped name in it would change results without a word."""
    source = keys["mos"].bundle.folder.with_name("mos.key")
    folder = tmp_path_factory.mktemp("damaged", numbered=True) / "mos.key"
    shutil.copytree(source, folder)
    content = data.draw(damaged_bytes((source / name).read_bytes()))
    (folder / name).write_bytes(content)
    error = refusal(open_key, folder, keys["mos"].bundle.folder)
    if error is not None:
        assert name in str(error)
    else:
        opened = open_key(folder, keys["mos"].bundle.folder)
        assert (opened.content, opened.gold) == (keys["mos"].content, keys["mos"].gold)
        assert opened.plan_kept == (content == (source / name).read_bytes() or name != "analysis_plan.toml")


@pytest.mark.parametrize("name", ["key.json", "gold.json", "analysis_plan.toml"])
def test_a_key_that_lacks_a_file_is_told(keys: dict[str, Key], tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(keys["mos"].bundle.folder.with_name("mos.key"), tmp_path / "mos.key")
    (folder / name).unlink()
    with pytest.raises(ListeningError, match=name):
        open_key(folder, keys["mos"].bundle.folder)
