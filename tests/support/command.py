"""Commands of vcbench in this process, so that PyTorch is imported once for all of them and not once for each."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from vcbench.cli.app import main


def run_here(*arguments: str | Path, folder: Path | None = None, code: int = 0) -> str:
    """What the command prints, on both streams; it is given in `folder` and must exit with the code."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        if folder is not None:
            patch.chdir(folder)
        patch.setattr(sys, "argv", ["vcbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
    assert (stop.value.code or 0) == code, f"{arguments}\n{printed.getvalue()}"
    return printed.getvalue()
