"""The files of a study's tables."""

from __future__ import annotations

from pathlib import Path

from vcbench.base import escape
from vcbench.base.files import write_text
from vcbench.studies.latex import latex
from vcbench.studies.run import Finished
from vcbench.studies.tables import long_table, markdown


def write_tables(finished: Finished, out: Path) -> None:
    """Write table.md, table.csv and table.tex."""
    write_text(out / "table.md", markdown(finished))
    write_text(out / "table.tex", latex(finished))
    write_text(out / "table.csv", escape.csv(long_table(finished)))
