"""Tables in LaTeX: they compile, fit, and have captions, labels, ranks and intervals."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.support.made_up_board import COLUMNS, made_up_run
from vcbench.base.errors import UserError
from vcbench.reporting import leaderboard
from vcbench.reporting.latex import FITS, MANY, PACKAGES, TexCell, TexColumn, TexRow, floats, slug
from vcbench.reporting.latex_board import latex
from vcbench.reporting.leaderboard import Leaderboard

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex (texlive-latex-base, texlive-latex-recommended)"
)
TITLES = [
    "Mel reconstruction error (log10)",
    "Cosine to source recording (ECAPA)",
    "WER (%)",
    "paper",
    "MMMM WWWW MMMM WWWW",
]


def compiled(body: str, folder: Path) -> str:
    """The log of pdflatex on a page of two columns; `!` and boxes that do not fit stand in it."""
    page = rf"\documentclass[twocolumn]{{article}}{PACKAGES}\begin{{document}}{body}\end{{document}}"
    (folder / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    log = (folder / "page.log").read_text()
    assert "Missing character" not in log
    return log


def wide(rows: int) -> str:
    """A table that fits nothing: many columns and rows."""
    columns = [TexColumn(title, joined=title == "paper") for title in TITLES * 4]
    cell = TexCell("100.00", "[100.00,\u00a0100.00] n=12", "12th", bold=True)
    made = [TexRow(f"a_system & its number {k}", (cell,) * len(columns), reference=k > rows - 3) for k in range(rows)]
    return "\n".join(part for fit in FITS.values() for part in floats(columns, made, "Caption 100%.", "my_run", fit))


@needs_latex
def test_tables_compile_and_none_is_wider_or_higher_than_its_place(board: Leaderboard, tmp_path: Path) -> None:
    bodies = [latex(board, fit=fit).partition(r"{\footnotesize\raggedright")[0] for fit in FITS]
    log = compiled("\n".join([*bodies, r"\clearpage", MANY, wide(40), r"\clearpage"]), tmp_path)
    assert "Overfull" not in log
    assert "Float too large" not in log


@needs_latex
def test_the_whole_file_compiles_with_its_notes(board: Leaderboard, tmp_path: Path) -> None:
    compiled(latex(board), tmp_path)


def test_rows_have_as_many_cells_as_columns(board: Leaderboard) -> None:
    for table in latex(board).split(r"\begin{tabular}{@{}")[1:]:
        layout, rest = table.split("@{}}", 1)
        rows = [line for line in rest.split(r"\end{tabular}")[0].splitlines() if r" \\" in line]
        assert len(rows) > 1
        assert {row.replace(r"\&", "").count("&") + 1 for row in rows} == {len(layout)}


def test_every_table_has_a_caption_and_a_label_of_its_own(board: Leaderboard) -> None:
    text = latex(board, fit="column")
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels)) == text.count(r"\begin{table}") == text.count(r"\caption{")
    assert "tab:quick-mini-all-1" in labels
    assert "tab:quick-mini-seen-seen" in {label.removesuffix("-1") for label in labels}
    assert r"quick\_mini on mini (synthetic speech): 36 trials." in text


def test_ranks_and_intervals_stay(board: Leaderboard) -> None:
    text = latex(board)
    assert r"0.90 {\scriptsize 1st}" in text
    assert r"0.50 {\scriptsize 3rd}" in text
    assert re.search(r"\{\\scriptsize \{\}\[0\.\d\d,~0\.\d\d\]\}", text)
    assert "share a rank" in text


def test_columns_can_be_chosen_and_ordered(board: Leaderboard) -> None:
    text = latex(board, ["wer", "similarity"])
    head = next(line for line in text.splitlines() if line.startswith("system"))
    assert head.index("WER") < head.index("cosine")
    assert "Mel error" not in text
    assert "encoder GE2E" in text  # the note on a chosen column
    with pytest.raises(UserError, match="Did you mean 'similarity'"):
        latex(board, ["similarty"])


def test_columns_without_values_are_notes_alone(board: Leaderboard) -> None:
    text = latex(board)
    assert r"ECAPA cosine: n/a: weights\_100\% are not here" in text
    assert "ECAPA" not in "".join(line for line in text.splitlines() if line.startswith("system"))


def test_rows_without_a_value_leave_a_part(scores: pd.DataFrame) -> None:
    made = leaderboard.build(made_up_run(), scores, COLUMNS)
    text = latex(made, ["parameters"])
    assert "good\\_one & 1,234,567" in text
    assert r"\textit{source}" not in text
    assert "No value for source" not in latex(made, ["similarity"])


def test_a_paper_s_column_stays_beside_its_own() -> None:
    columns = [TexColumn(title, joined=title == "paper") for title in TITLES * 3]
    row = TexRow("one", (TexCell("1.0"),) * len(columns))
    text = "\n".join(part for fit in FITS.values() for part in floats(columns, [row], "", "x", fit))
    for head in (line for line in text.splitlines() if line.startswith("system")):
        for before, title in zip(head.split(" & "), head.split(" & ")[1:], strict=False):
            assert "paper" not in title or "WER" in before


def test_slugs_are_labels() -> None:
    assert [slug(text) for text in ("seen->unseen", "My run_2", "\u4f60")] == ["seen-unseen", "my-run-2", "table"]
