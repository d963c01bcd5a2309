"""State files: read as they were written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcbench.base.state import (
    DamagedFile,
    find_parquet,
    find_state,
    read_parquet,
    read_state,
    write_parquet,
    write_state,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=3)
    ),
    max_leaves=8,
)
CONTENTS = st.dictionaries(
    st.text(st.characters(codec="utf-8")).filter(lambda key: key != "checksum"), VALUES, max_size=4
)
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)


@SAME_FOLDER
@given(content=CONTENTS)
def test_what_is_written_is_read(tmp_path: Path, content: dict[str, Any]) -> None:
    write_state(tmp_path / "state.json", content)
    assert read_state(tmp_path / "state.json", "") == content


@SAME_FOLDER
@given(content=CONTENTS, data=st.data())
def test_a_changed_file_is_damaged_or_means_the_same(
    tmp_path: Path, content: dict[str, Any], data: st.DataObject
) -> None:
    path = tmp_path / "state.json"
    write_state(path, content)
    written = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(written) - 1))
    change = data.draw(st.sampled_from(["cut", "byte", "zeros"]))
    if change == "cut":
        written = written[:place]
    elif change == "byte":
        written[place] = data.draw(st.integers(0, 255))
    else:
        written[place:] = bytes(len(written) - place)
    path.write_bytes(written)
    found = find_state(path)
    if found is None:
        with pytest.raises(DamagedFile, match=r"(?s)state\.json .*Make it again\.$"):
            read_state(path, "Make it again.")
    else:
        assert found == content


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "0", '"x"', "{", "[" * 100_000, '{"checksum": 1}', "\x00" * 40]
)
def test_other_json_is_damaged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(DamagedFile, match=r"(?s)state\.json .*Make it again\.$"):
        read_state(path, "Make it again.")


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    assert find_state(tmp_path / "none") is None
    assert find_parquet(tmp_path / "none", ["x"]) is None
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "none", "")


def test_the_checksum_is_in_the_file_and_not_in_the_content(tmp_path: Path) -> None:
    write_state(tmp_path / "state.json", {"a": (1, 2)})
    assert set(json.loads((tmp_path / "state.json").read_text())) == {"a", "checksum"}
    assert read_state(tmp_path / "state.json", "") == {"a": [1, 2]}


@SAME_FOLDER
@given(data=st.data())
def test_a_changed_table_is_damaged_or_the_same(tmp_path: Path, data: st.DataObject) -> None:
    path, table = tmp_path / "table.parquet", pd.DataFrame({"trial": ["t0", "t1"], "value": [0.25, 0.5]})
    write_parquet(path, table)
    written = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(written) - 1))
    if data.draw(st.booleans()):
        written = written[:place]
    else:
        written[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(written)
    found = find_parquet(path, ["trial"])
    if found is None:
        with pytest.raises(DamagedFile, match=r"(?s)table\.parquet .*Make it again\.$"):
            read_parquet(path, ["trial"], "Make it again.")
    else:
        pd.testing.assert_frame_equal(found, table)


def test_a_table_without_a_column_is_damaged(tmp_path: Path) -> None:
    write_parquet(tmp_path / "table.parquet", pd.DataFrame({"trial": ["t0"]}))
    with pytest.raises(DamagedFile, match="no column 'value'"):
        read_parquet(tmp_path / "table.parquet", ["trial", "value"], "")
