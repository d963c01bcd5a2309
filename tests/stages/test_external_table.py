"""Any file as the table of `vcbench score`: it is read, or told what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.hostile import hostile_names
from tests.support.outcome import refusal
from vcbench.stages.external_table import NEEDED, OPTIONAL, TableError, enrolment, read_table, recordings

HEADER = "system,converted,source,target"
PIECES = [
    b",",
    b"\n",
    b'"',
    b"\r",
    b"\x00",
    b"\xff",
    b",,",
    b"\n\n",
    b";",
    b'"',
]
GOOD = f"{HEADER},text\na,1.wav,s.wav,t.wav,said\nb,2.wav,s.wav,u.wav,said\n".encode()


def read(folder: Path, content: bytes) -> None:
    """Read a table and all that it lists."""
    path = folder / "table.csv"
    path.write_bytes(content)
    table = read_table(path)
    assert list(table.columns) == [*NEEDED, *OPTIONAL]
    assert all(isinstance(cell, str) for cell in table.to_numpy().ravel())
    assert (table[list(NEEDED)] != "").all(axis=None)
    assert set(recordings(path, table)) >= {*table["source"], *table["target"]}
    for cell in table["enrolment"]:
        enrolment(cell)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_table_is_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        dropped = data.draw(st.integers(0, 8))
        content[place : place + dropped] = data.draw(
            st.one_of(
                st.sampled_from(PIECES),
                st.binary(max_size=8),
            )
        )
    error = refusal(read, tmp_path_factory.getbasetemp(), bytes(content))
    assert error is None or "table.csv" in str(error)


@settings(max_examples=200, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
@example(content=b"")
@example(content=b"\n\n")
@example(content=HEADER.encode("utf-16"))
@example(content=f"{HEADER}\nx,a,b,c,d\ny,a,b\n".encode())
@example(content=f"{HEADER},system\na,b,c,d,e\n".encode())
@example(content=f"{HEADER}\n{'a' * 200_000},b,c,d\n".encode())
@example(content=f'{HEADER}\n"a,b,c,d\n'.encode())
def test_any_bytes_are_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    error = refusal(read, tmp_path_factory.getbasetemp(), content)
    assert error is None or "table.csv" in str(error)


@settings(max_examples=200, deadline=None)
@given(name=hostile_names)
def test_any_name_is_kept_or_refused_by_its_line(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "names.csv"
    quoted = name.replace('"', '""')
    path.write_bytes(f'{HEADER}\n"{quoted}",b,c,d\n'.encode("utf-8", "surrogatepass"))
    error = refusal(read_table, path)
    if error is None:
        assert read_table(path)["system"].tolist() == [name.strip()]
    else:
        assert "names.csv" in str(error)
        assert "line" in str(error) or "UTF-8" in str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEADER}\nx,a,b,c,d\n", r"line 2 has 5 cells, the first line 4"),
        (f"{HEADER}\nx,a,b\n", r"line 2 has 3 cells, the first line 4"),
        (f'{HEADER},text\na,b,c,d,"two\nlines"\nx,a,b\n', r"line 4 has 3 cells"),
        (f"{HEADER},system\na,b,c,d,e\n", r"has the column system 2 times"),
        (f"{HEADER}\na\x1b[31m,b,c,d\n", r"line 2 has a hidden character in the column system: 'a\\x1b\[31m'"),
        (f'{HEADER}\n"a,b,c,d\n', r"line 2 is not CSV"),
    ],
)
def test_what_pandas_would_guess_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(TableError, match=message):
        read_table(tmp_path / "table.csv")


def test_a_folder_is_not_a_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read as a table"):
        read_table(tmp_path)
    with pytest.raises(TableError, match="no table"):
        read_table(tmp_path / "none.csv")
