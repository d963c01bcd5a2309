"""Write an analysis as files: tables in Markdown, CSV and JSON, plots, and the paragraph."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from vcbench.base import escape
from vcbench.base.files import write_json, write_text
from vcbench.base.nouns import counted
from vcbench.listening.analysis import plots
from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.letters import display
from vcbench.listening.analysis.mixed_model import MixedModel
from vcbench.listening.analysis.paragraph import interval, paragraph, share
from vcbench.listening.analysis.statistics import ALL, Findings
from vcbench.listening.analysis.wording import MANY, WORDINGS
from vcbench.listening.answers.key import Key
from vcbench.reporting.text import Marked, markdown_table


def write(analysis: Analysis, folder: Path) -> None:
    """Write the report to a folder, replacing files of the same names.

    analysis.md, analysis.json, paragraph.txt; answers.csv (all answers, no longer blind), screening.csv, scores.csv and
    pairs.csv (for the listeners that count), scores.svg and scores.png.
    """
    tables = {
        "answers": analysis.reading.table,
        "screening": analysis.screened,
        "scores": analysis.after.scores,
        "pairs": analysis.after.pairs,
    }
    if shown := display(analysis):
        tables["scores"] = tables["scores"].assign(letters=tables["scores"]["system"].map(shown))
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", escape.csv(table))
    write_text(folder / "paragraph.txt", f"{paragraph(analysis)}\n")
    write_text(folder / "analysis.md", markdown(analysis))
    write_json(folder / "analysis.json", plain(analysis))
    plots.write(analysis, folder)


def plain(analysis: Analysis) -> dict[str, Any]:
    """The analysis as JSON; NaN and missing values become null."""
    key = analysis.key
    content = {
        "bundle": key.content["id"],
        "test": key.test,
        "name": key.content["name"],
        "plan": key.plan.model_dump(exclude_none=True),
        "plan_kept": key.plan_kept,
        "notes": analysis.reading.notes,
        "caveats": analysis.caveats,
        "missing": records(analysis.reading.missing),
        "screened": records(analysis.screened),
        "before": _findings(analysis.before),
        "after": _findings(analysis.after),
        "model": _plain_model(analysis.model),
        "odds": _plain_model(analysis.odds),
        "side": analysis.side,
        "paragraph": paragraph(analysis),
    }
    return json.loads(json.dumps(content), parse_constant=lambda name: None)  # type: ignore[no-any-return]


def _plain_model(model: MixedModel | None) -> dict[str, Any] | None:
    return None if model is None else {**asdict(model), "effects": records(model.effects)}


def _findings(findings: Findings) -> dict[str, Any]:
    return {
        "listeners": findings.listeners,
        "items": findings.items,
        "ratings": findings.ratings,
        "scores": records(findings.scores),
        "friedman": None if findings.friedman is None else asdict(findings.friedman),
        "pairs": records(findings.pairs),
        "krippendorff_alpha": findings.alpha,
    }


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return found


def markdown(analysis: Analysis) -> str:
    """The report; scores and pairs after screening, and scores before it if anybody was left out."""
    key = analysis.key
    lines = [f"# Listening test {escape.markdown(key.content['name'])}", ""]
    lines += [escape.markdown_note(paragraph(analysis)), ""]
    for title, sentences in (("Warnings", analysis.caveats), ("Answers", analysis.reading.notes)):
        if sentences:
            lines += [f"## {title}", "", *(f"- {escape.markdown_note(sentence)}" for sentence in sentences), ""]
    lines += [*_section("Missing ratings", analysis.reading.missing.astype(str))]
    lines += [*_section("Screened listeners", analysis.screened)]
    lines += ["![Ratings](scores.svg)", ""]
    lines += _scores("Scores", analysis.after, key, display(analysis))
    if analysis.out:
        lines += _scores("Scores before screening", analysis.before, key, {})
    lines += _pairs(analysis)
    if analysis.model is not None:
        lines += _model(analysis)
    if analysis.odds is not None:
        lines += ["", *_odds(analysis.odds)]
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    cells = [[cell if isinstance(cell, str) else str(cell) for cell in row] for row in table.to_numpy(object).tolist()]
    return [f"## {escape.markdown(title)}", "", *markdown_table([list(table.columns), *cells]), ""]


def _scores(title: str, findings: Findings, key: Key, shown: Mapping[str, str]) -> list[str]:
    """A table for all conditions and for each, the best first; letters only for all."""
    lines: list[str] = []
    for condition in dict.fromkeys(findings.scores["condition"]):
        part = findings.scores[findings.scores["condition"] == condition]
        ordered = part.sort_values("mean", ascending=False, kind="stable")
        pooled = condition == ALL
        rows = _score_rows(ordered, key, shown if pooled else {})
        lines += _section(title if pooled else f"{title}, {condition}", pd.DataFrame(rows))
    if shown:
        lines += ["Systems that share a letter do not differ significantly (compact letter display, Piepho 2004).", ""]
    return lines


def _score_rows(scores: pd.DataFrame, key: Key, shown: Mapping[str, str]) -> Iterator[dict[str, str]]:
    decimals = WORDINGS[key.content["name"]].decimals
    for _, row in scores.iterrows():
        one = {"system": row["system"], "ratings": str(row["ratings"])}
        one["mean"] = f"{row['mean']:.{decimals}f} {interval(row, decimals)}"
        if shown:
            one["letters"] = shown.get(row["system"], "")
        if key.kind.answer in ("category", "sliders"):
            one["median"] = f"{row['median']:g} [{row['median_low']:g}, {row['median_high']:g}]"
            one |= {"quartiles": f"{row['lower']:g} to {row['upper']:g}", "outliers": str(row["outliers"])}
        yield one


def _pairs(analysis: Analysis) -> list[str]:
    """The pairs: all, or of many the primary ones; the largest difference first."""
    pairs = analysis.after.pairs
    if pairs.empty:
        return []
    listed = pairs if len(pairs) <= MANY else pairs[pairs["primary"]]
    ordered = listed.loc[listed["difference"].abs().sort_values(ascending=False, kind="stable").index]
    decimals = WORDINGS[analysis.key.content["name"]].decimals
    lines = _section("Pairs", pd.DataFrame(_pair_rows(ordered, decimals), dtype=object))  # str would lose `Marked`
    if len(listed) < len(pairs):
        lines += [f"All {counted(len(pairs), 'pair')}, with p-values and effect sizes, are in pairs.csv.", ""]
    return lines


def _pair_rows(pairs: pd.DataFrame, decimals: int) -> Iterator[dict[str, str]]:
    """Rounded; primary contrasts in bold."""
    for _, row in pairs.iterrows():
        name = f"{row['first']} \u2212 {row['second']}"
        one: dict[str, str] = {"pair": Marked(f"**{escape.markdown(name)}**") if row["primary"] else name}
        if "chose_first" in pairs:
            one |= {word: f"{row[f'chose_{word}']:.1%}" for word in ("first", "none", "second")}
        if "comparisons" in pairs:
            one["right" if "right" in pairs else "share of first"] = share(row)
        one["difference"] = f"{row['difference']:+.{decimals}f} {interval(row, decimals)}"
        one |= {"W": f"{row['statistic']:g}", "p": _small(row["p"]), "p (Holm)": _small(row["p_holm"])}
        one |= {"r": f"{row['rank_biserial']:.2f}", "d": f"{row['cohen_d']:.2f}", "n": str(row["listeners"])}
        yield one | {"detectable": f"{row['detectable']:.{decimals}f}"}


def _small(p: float) -> str:
    return "\u2013" if p != p else "<0.001" if p < 0.001 else f"{p:.3f}"


def _model(analysis: Analysis) -> Sequence[str]:
    model, decimals = analysis.model, WORDINGS[analysis.key.content["name"]].decimals
    assert model is not None
    shown = pd.DataFrame(
        {
            "system": row["system"] if row["system"] != model.baseline else f"{model.baseline} (baseline)",
            "estimate": f"{row['estimate']:+.{decimals}f} {interval(row, decimals)}",
            "z": f"{row['z']:.2f}",
            "p": _small(row["p"]),
        }
        for _, row in model.effects.iterrows()
    )
    lines = _section("Mixed model: score ~ system + (1|listener) + (1|item)", shown)
    return [*lines, _variances(model)]


def _variances(model: MixedModel) -> str:
    spread = ", ".join(f"{name} {value:.3g}" for name, value in model.variances.items())
    return f"Variances: {spread}." if model.converged else "The fit did not converge: do not rely on it."


def _odds(model: MixedModel) -> Sequence[str]:
    shown = pd.DataFrame(
        {
            "system": row["system"],
            "log odds": f"{row['estimate']:+.2f} {interval(row, 2)}",
            "odds": f"{math.exp(row['estimate']):.2f}",
            "z": f"{row['z']:.2f}",
            "p": _small(row["p"]),
        }
        for _, row in model.effects.iterrows()
    )
    title = "Cumulative-link mixed model: category ~ system + (1|listener) + (1|item), logit"
    explained = f"Odds of a higher category, against {escape.markdown(model.baseline)}. {_variances(model)}"
    return [*_section(title, shown), explained]
