"""Many recordings to convert: each has a file, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from vcbench.base.errors import UserError
from vcbench.stages.convert_files import planned


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    for name in ("a.wav", "deep/a.wav", "deep/b.FLAC", "notes.txt", "ref.wav"):
        path = tmp_path / "speech" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "speech"


def test_recordings_and_folders_of_them_have_a_file_each(speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert planned([speech / "ref.wav", speech / "deep"], [speech / "ref.wav"], out) == {
        speech / "ref.wav": out / "ref.flac",
        speech / "deep" / "a.wav": out / "a.flac",
        speech / "deep" / "b.FLAC": out / "b.flac",
    }
    assert planned([speech], [speech / "ref.wav"], out)[speech / "deep" / "a.wav"] == out / "deep" / "a.flac"


def test_what_cannot_be_is_refused_before_anything_is_converted(speech: Path, tmp_path: Path) -> None:
    target = [speech / "ref.wav"]
    with pytest.raises(UserError, match=r"There is no recording .*none\.wav"):
        planned([speech / "none.wav"], target, tmp_path)
    with pytest.raises(UserError, match=r"There is no recording .*none\.wav"):
        planned([speech / "a.wav"], [speech / "none.wav"], tmp_path)
    with pytest.raises(UserError, match=r"would both become .*a\.flac"):
        planned([speech / "a.wav", speech / "deep" / "a.wav"], target, tmp_path)
    (speech / "c.flac").touch()
    with pytest.raises(UserError, match="would replace a recording"):
        planned([speech / "c.flac"], target, speech)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no recordings"):
        planned([tmp_path / "empty"], target, tmp_path)
