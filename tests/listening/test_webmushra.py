"""webMUSHRA configurations: every page has what it needs, in the YAML that webMUSHRA reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml

from tests.support.listening_helpers import (
    SMALL,
    make_run,
    read_package,
)
from tests.support.webmushra_schema import LONGEST, MOST_CONDITIONS, Configuration, Finish, Mushra
from vcbench.listening.design.build import build
from vcbench.listening.design.webmushra import can_say, dump
from vcbench.listening.kinds import KINDS
from vcbench.listening.texts import texts


@pytest.fixture
def configured(package: Path) -> Path:
    """A package that webMUSHRA can run."""
    test = json.loads((package / "manifest.json").read_text())["test"]
    if not can_say(test):
        assert not (package / "webmushra").exists()
        assert f"webMUSHRA cannot run this test ({test})" in (package / "README.txt").read_text()
        pytest.skip(f"webMUSHRA cannot ask what {test} asks")
    return package


def rating_pages(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Training pages, then the pages of the random block, whose rounds may be lists."""

    def flat(pages: list[Any]) -> Iterator[dict[str, Any]]:
        for page in pages:
            if isinstance(page, list):
                assert page[0] == "random" or isinstance(page[0], dict)
                yield from flat(page)
            elif isinstance(page, dict) and page["type"] in ("mushra", "likert_single_stimulus"):
                yield page

    assert [page[0] for page in config["pages"] if isinstance(page, list)] == ["random"]
    return flat(config["pages"])


def test_webmushra_configurations_have_what_their_pages_need(configured: Path) -> None:
    manifest, key, _ = read_package(configured)
    sheets = json.loads((configured / "sheets.json").read_text())
    for number in map(int, sheets):
        _, _, config = read_package(configured, number)
        pages = list(rating_pages(config))
        check_pages(manifest, key, pages)
        shown = [*sheets[str(number)]["training"], *(page for one in sheets[str(number)]["rounds"] for page in one)]
        assert [page["id"] for page in pages] == [page["page"] for page in shown]
        assert config["testId"] == manifest["id"] == manifest["id"].lower()
        for path in clip_paths(config):
            assert path.startswith(f"configs/{manifest['id']}/")
            assert (configured / path.removeprefix(f"configs/{manifest['id']}/")).is_file()
        finish = config["pages"][-1]
        assert finish["type"] == "finish"
        assert [(q["name"], q["optional"]) for q in finish["questionnaire"]] == [("listener_id", False)]
        assert all("id" in page for page in config["pages"][:-1] if isinstance(page, dict))
        assert config["pages"][0]["mustConsent"]


def check_pages(manifest: dict[str, Any], key: dict[str, Any], pages: list[dict[str, Any]]) -> None:
    by_id = {page["id"]: page for page in manifest["pages"]}
    kind = KINDS[manifest["test"]]
    values = list(kind.values) if kind.answer != "choice" else [1, 2, 0] if kind.no_preference else [1, 2]
    for page in pages:
        shown = by_id[page["id"]]
        if manifest["test"] == "mushra":
            assert page["type"] == "mushra"
            assert not page["createAnchor35"]
            assert not page["createAnchor70"]
            hidden = {name for name in shown["stimuli"] if key["clips"][name]["role"] == "hidden_reference"}
            assert set(page["stimuli"]) == set(shown["stimuli"]) - hidden
            assert page["reference"].endswith(f"audio/{shown['reference']}.wav")
            continue
        assert page["type"] == "likert_single_stimulus"
        assert (page["mustRate"], page["mustPlayback"]) == (True, "ended")
        assert [point["value"] for point in page["response"]] == values
        assert page["content"].count("<audio") == kind.pairs + bool(shown["reference"])
        heard = {Path(path).stem for path in clip_paths(page)}
        assert heard == {*shown["stimuli"], *([shown["reference"]] if shown["reference"] else [])}


def clip_paths(content: Any) -> list[str]:
    if isinstance(content, dict):
        return [path for value in content.values() for path in clip_paths(value)]
    if isinstance(content, list):
        return [path for value in content for path in clip_paths(value)]
    return re.findall(r"configs/[^']+\.wav", content) if isinstance(content, str) else []


def test_configurations_are_as_webmushra_documents_them(configured: Path) -> None:
    """Every field is known and of its type, `finish` comes last, and a MUSHRA page passes webMUSHRA's own checks."""
    files = sorted(configured.glob("webmushra/*.yaml"))
    assert len(files) == len(json.loads((configured / "sheets.json").read_text()))
    for path in files:
        pages = Configuration.model_validate(yaml.safe_load(path.read_text())).flat()
        assert [isinstance(page, Finish) for page in pages] == [*[False] * (len(pages) - 1), True]
        names = [page.id for page in pages if not isinstance(page, Finish)]
        assert len(set(names)) == len(names)
        for page in pages:
            if isinstance(page, Mushra):
                check_sounds(configured, [page.reference, *page.stimuli.values()])


def check_sounds(folder: Path, paths: list[str]) -> None:
    assert len(paths) - 1 <= MOST_CONDITIONS
    found = [soundfile.info(folder / path.split("/", 2)[2]) for path in paths]
    assert len({(one.samplerate, one.frames, one.channels) for one in found}) == 1
    assert found[0].duration <= LONGEST


def test_configuration_keeps_to_the_dialect(configured: Path) -> None:
    """One line per page, no nested dash, no escape: nothing that webMUSHRA's parser reads wrongly."""
    text = (configured / "webmushra" / "listener_002.yaml").read_text()
    assert "- - " not in text
    assert "\\" not in text
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        if line.startswith("  - "):
            json.loads(line.removeprefix("  - "))
        elif key != "pages:":
            json.loads(value)


def test_letters_stay_letters() -> None:
    text = dump({"testname": "Natürlichkeit: größer", "pages": [["random", {"content": "日本 é"}]]})
    assert "\\" not in text
    assert "größer" in text
    assert "日本 é" in text
    assert yaml.safe_load(text) == {"testname": "Natürlichkeit: größer", "pages": [["random", {"content": "日本 é"}]]}


def test_parsers_of_javascript_read_the_same(configured: Path, tmp_path: Path) -> None:
    """js-yaml, and yamljs, which is webMUSHRA's parser; if node has them."""
    probe = "for (const name of ['js-yaml', 'yamljs']) require.resolve(name)"
    if (
        shutil.which("node") is None
        or subprocess.run(["node", "-e", probe], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs node with js-yaml and yamljs (NODE_PATH)")
    path = next(configured.glob("webmushra/*.yaml"))
    script = (
        "const text = require('fs').readFileSync(process.argv[1], 'utf8');"
        "console.log(JSON.stringify([require('js-yaml').load(text), require('yamljs').parse(text)]))"
    )
    done = subprocess.run(["node", "-e", script, str(path)], capture_output=True, text=True, check=True)
    first, second = json.loads(done.stdout)
    assert first == second == yaml.safe_load(path.read_text())


@pytest.mark.parametrize(("same_words", "name"), [(True, "mushra"), (False, "mushra-like")])
def test_other_words_in_the_reference_are_not_called_mushra(tmp_path: Path, same_words: bool, name: str) -> None:
    build(make_run(tmp_path / "run", same_words, trials=3), "mushra", tmp_path / "out", SMALL)
    manifest, key, config = read_package(tmp_path / "out")
    assert key["name"] == manifest["name"] == name
    asked = {page["content"] for page in rating_pages(config)}
    assert asked == {texts("en")[f"{name}.question"]}
