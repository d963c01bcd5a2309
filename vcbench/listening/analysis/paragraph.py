"""An analysis as a paragraph for a paper; every number in it comes from the data."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from vcbench.base.nouns import counted, verb
from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.statistics import ALL, LEVELS
from vcbench.listening.analysis.wording import MANY, WORDINGS
from vcbench.listening.kinds import Kind


def paragraph(analysis: Analysis) -> str:
    """The paragraph, on one line."""
    sentences = [
        *_design(analysis), *_screening(analysis), *_means(analysis), *_friedman(analysis), *_pairs(analysis),
        *_rest(analysis),
    ]  # fmt: skip
    return " ".join(sentences)


def probability(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def interval(row: pd.Series, decimals: int) -> str:
    return f"[{row['low']:.{decimals}f}, {row['high']:.{decimals}f}]"


def _unit(kind: Kind) -> str:
    return "comparisons" if kind.pairs else "ratings"


def _design(analysis: Analysis) -> Iterator[str]:
    content, before, kind = analysis.key.content, analysis.before, analysis.key.kind
    systems, references = len(content["systems"]), len(content["references"])
    also = f" and {references} kind{'s' * (references > 1)} of reference recording" if references else ""
    refusal = ""
    if kind.no_preference:
        allowed = analysis.key.bundle.manifest["no_preference"]
        refusal = '; "no preference" was allowed and counts one half for each' if allowed else "; a choice was required"
    yield (
        f"{WORDINGS[content['name']].asked}{refusal}. {counted(before.listeners, 'listener')} gave {before.ratings} {_unit(kind)} of "
        f"{counted(systems, 'system')}{also} on {counted(before.items, 'item')}."
    )


def _screening(analysis: Analysis) -> Iterator[str]:
    fixed = "fixed before the test" if analysis.key.plan_kept else "changed after the bundle was exported"
    if not analysis.out:
        yield f"No listener broke a screening rule (rules {fixed})."
        return
    rules = ", ".join(dict.fromkeys(analysis.screened["rule"]))
    left = counted(analysis.after.listeners, "listener")
    yield (
        f"{len(analysis.out)} of them {verb(len(analysis.out), 'was', 'were')} left out by rules {fixed} ({rules}), "
        f"leaving {left} and {analysis.after.ratings} {_unit(analysis.key.kind)}."
    )


def _means(analysis: Analysis) -> Iterator[str]:
    plan, decimals, kind = analysis.key.plan, WORDINGS[analysis.key.content["name"]].decimals, analysis.key.kind
    pooled = analysis.after.scores[analysis.after.scores["condition"] == ALL]
    what = "Mean ratings"
    if kind.answer == "choice":
        what = "Shares of right answers" if kind.discriminates else "Shares of preference"
    how = f"{1 - plan.alpha:.0%} intervals (bootstrap over listeners and items, {counted(plan.bootstrap_samples, 'draw')})"
    found = [f"{row['system']} {row['mean']:.{decimals}f} {interval(row, decimals)}" for _, row in pooled.iterrows()]
    if len(found) <= MANY:
        yield f"{what} with {how}: {'; '.join(found)}."
        return
    order = pooled["mean"].argsort()
    ends = found[order.iloc[-1]], found[order.iloc[0]]
    yield f"{what} ranged from {ends[0]} to {ends[1]}, with {how}; a table lists all {len(found)}."


def _friedman(analysis: Analysis) -> Iterator[str]:
    test = analysis.after.friedman
    if test is not None:
        differ = "differed" if test.p <= analysis.key.plan.alpha else "did not differ significantly"
        yield (
            f"Systems {differ} (Friedman's test on listeners' means: \u03c7\u00b2({test.freedom}) = {test.statistic:.2f}, "
            f"{probability(test.p)}, Kendall's W = {test.agreement:.2f}, n = {test.listeners})."
        )


def _pairs(analysis: Analysis) -> Iterator[str]:
    pairs, alpha = analysis.after.pairs, analysis.key.plan.alpha
    if pairs.empty:
        return
    primary, others = pairs[pairs["primary"]], pairs[~pairs["primary"]]
    for _, row in primary.iterrows() if len(primary) == 1 else ():
        yield (
            f"The primary contrast was {_size(row, analysis)} (Wilcoxon signed-rank test on listeners' means, "
            f"W = {row['statistic']:g}, {probability(row['p'])}, rank-biserial r = {row['rank_biserial']:.2f}, "
            f"n = {row['listeners']})."
        )
    if len(primary):
        corrected = f"Primary contrasts (Wilcoxon, Holm's correction over them, \u03b1 = {alpha:g})"
        yield from [f"{corrected}: {_listed(primary, analysis)}."] if len(primary) > 1 else []
        if len(others):
            rest = "The other pair is" if len(others) == 1 else f"The other {counted(len(others), 'pair')} are"
            yield f"{rest} exploratory, without correction."
        return
    apart = others["p_holm"] <= alpha
    how = f"Wilcoxon, Holm's correction, \u03b1 = {alpha:g}"
    if len(others) > MANY:
        yield f"{int(apart.sum())} of the {counted(len(others), 'pair')} differed significantly ({how})."
        return
    titles = f"Pairs that differed significantly ({how})", "Pairs without a significant difference"
    for title, part in zip(titles, (others[apart], others[~apart]), strict=True):
        if len(part):
            yield f"{title}: {_listed(part, analysis)}."


def _listed(pairs: pd.DataFrame, analysis: Analysis) -> str:
    return "; ".join(
        f"{_size(row, analysis)}, {probability(row['p_holm'])}, r = {row['rank_biserial']:.2f}"
        for _, row in pairs.iterrows()
    )


def _size(row: pd.Series, analysis: Analysis) -> str:
    """A pair's difference, or the share of the first or of right answers, with its interval."""
    if analysis.key.kind.answer == "choice":
        told = " told from " if analysis.key.kind.discriminates else " over "
        return f"{row['first']}{told}{row['second']} {share(row)}"
    decimals = WORDINGS[analysis.key.content["name"]].decimals
    return f"{row['first']} \u2212 {row['second']} {row['difference']:+.{decimals}f} {interval(row, decimals)}"


def share(row: pd.Series) -> str:
    """A pair's share of right answers, or of the first where "no preference" counts one half, with its interval."""
    found = row[["difference", "low", "high"]].astype(float)
    mean, low, high = found + 0.5 if "right" in row else (1 + found) / 2
    return f"{mean:.1%} [{low:.1%}, {high:.1%}]"


def _rest(analysis: Analysis) -> Iterator[str]:
    if analysis.side:
        side = pd.Series(analysis.side)
        verb = "rated better" if analysis.key.kind.answer == "comparison" else "chosen"
        yield f"A was {verb} in {side['share']:.1%} [{side['low']:.1%}, {side['high']:.1%}] of the choices."
    model = analysis.model
    if model is not None and model.converged:
        parts = ", ".join(f"{name} {value:.3g}" for name, value in model.variances.items())
        yield f"A linear mixed model with random intercepts for listeners and items gave the variances: {parts}."
    if analysis.odds is not None and analysis.odds.converged:
        yield "A cumulative-link mixed model (logit, Laplace's approximation) had random intercepts for listeners and items."
    if analysis.after.alpha == analysis.after.alpha:
        level = LEVELS[analysis.key.kind.answer]
        yield f"Agreement between listeners was Krippendorff's \u03b1 = {analysis.after.alpha:.2f} ({level})."
