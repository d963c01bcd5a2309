"""A study's tables as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from vcbench.base import escape
from vcbench.reporting.latex import FITS, MANY, PACKAGES, TexCell, TexColumn, TexRow, floats, slug
from vcbench.stats.scores import LEVEL
from vcbench.studies.run import Finished
from vcbench.studies.study import Study
from vcbench.studies.tables import CLAIM_NOTE, CLAIM_TITLES, PAPER, claim_rows, foot, header, headings, rows

CLAIM_WIDTHS = (0.3, 0.16, 0.12, 0.34)  # of the page


def latex(finished: Finished) -> str:
    """The figures and the claims in booktabs, in parts that fit a page of two columns."""
    study = finished.results.study
    title, fit = study.file.title, FITS["page"]
    columns = [TexColumn(name, joined=name == PAPER) for name in headings(study)[1:]]
    references = set(study.config.reference_rows)
    body = [TexRow(row[0], tuple(map(_tex_cell, row[1:])), row[0] in references) for row in rows(finished)]
    lines = [f"% {escape.one_line(title)}; needs {PACKAGES}", MANY, ""]
    lines += floats(columns, body, f"{title}: means with {LEVEL:.0%} intervals.", study.name, fit, "cell")
    if study.claims:
        lines += ["", *_latex_claims(study, claim_rows(finished.results))]
    notes = [escape.tex(line) for line in (*header(finished), *foot(finished))]
    return "\n".join([*lines, "", r"{\footnotesize\raggedright", "\n\n".join(notes), r"\par}", ""])


def _tex_cell(figure: str) -> TexCell:
    mean, bracket, interval = figure.partition(" [")
    return TexCell(mean, bracket.strip() + interval)


def _latex_claims(study: Study, table: Sequence[Sequence[str]]) -> list[str]:
    body = [" & ".join(escape.tex(cell) for cell in row) + r" \\" for row in table]
    widths = "".join(rf">{{\raggedright\arraybackslash}}p{{{share}\textwidth}}" for share in CLAIM_WIDTHS)
    return [
        r"\begin{table*}[t]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption{{{escape.tex(f'{study.file.title}: claims.')} {escape.tex(CLAIM_NOTE)}}}",
        rf"\label{{tab:{slug(study.name)}-claims}}",
        rf"\begin{{tabular}}{{@{{}}{widths}@{{}}}}",
        r"\toprule",
        " & ".join(CLAIM_TITLES) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]
