"""A study's tables on a terminal of 80 characters and in LaTeX: nothing is cut."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
import torch
from rich.console import Console

from tests.support.studies import TOY, resolved
from vcbench.api.scores import FIELDS
from vcbench.reporting.latex import PACKAGES
from vcbench.studies.latex import latex
from vcbench.studies.results import StudyResults
from vcbench.studies.run import Finished
from vcbench.studies.tables import headings, render

WIDE = TOY | {
    "title": "Speaker_classification & reconstruction",
    "columns": [
        "probe_content", "probe_speaker", "reconstruction_error@seen", "reconstruction_error@unseen", "parameters",
        "probe_chance",
    ],
    "draw": [],
    "cells": [
        *TOY["cells"],
        {
            "label": "a cell with a rather long label, longer than names should be",
            "settings": {"activation": "sigmoid", "alpha": 0.5},
        },
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    study = resolved(tmp_path_factory.mktemp("study"), WIDE)
    rows = [
        (
            label,
            key.partition("@")[0],
            f"u{k}",
            key.partition("@")[2] or "all",
            0.5 + k / 100,
            1.0,
            f"s{k % 7}",
            "",
            "{}",
            0,
        )
        for label in study.rows.values()
        for key in study.columns
        for k in range(14)
    ]
    scores = pd.DataFrame(rows, columns=[*FIELDS, "seed"])
    view = SimpleNamespace(
        metrics={},
        split=SimpleNamespace(training=[SimpleNamespace(speaker="one")]),
        corpus=SimpleNamespace(name="mini", title="mini", synthetic=True),
        device=torch.device("cpu"),
        notes=["A note."],
    )
    return Finished(StudyResults(study, scores, (0,)), cast(Any, [view]), {}, None, {}, {})


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_word_is_cut_and_no_line_too_long(finished: Finished, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    for table in render(finished, width):
        console.print(table)
    text = console.export_text()
    assert "\u2026" not in text
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for title in headings(finished.results.study):
        assert all(word in words for word in title.split())
    for label in finished.results.study.rows.values():
        assert all(word in words for word in label.split())


def test_a_paper_s_figures_stay_beside_those_from_here(finished: Finished) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(finished, 80)[0])
    assert "paper" in console.export_text()


def test_latex_has_captions_and_labels(finished: Finished) -> None:
    text = latex(finished)
    assert r"\caption{Speaker\_classification \& reconstruction: means with 95\% intervals." in text
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels)) == text.count(r"\begin{table*}")
    assert "tab:toy-claims" in labels
    assert "1 training speaker, 1 training utterance." in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_compiles_and_fits_the_page(finished: Finished, tmp_path: Path) -> None:
    tables = latex(finished).partition(r"{\footnotesize\raggedright")[0]
    page = rf"\documentclass[twocolumn]{{article}}{PACKAGES}\begin{{document}}{tables}\end{{document}}"
    (tmp_path / "page.tex").write_text(page)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in (tmp_path / "page.log").read_text()
