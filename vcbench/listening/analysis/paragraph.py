"""An analysis as a paragraph for a paper; every number in it comes from the data."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.statistics import ALL, LEVELS

ASKED = {
    "mos": "Naturalness was rated from 1 to 5 (absolute category rating, ITU-T P.800)",
    "similarity-mos": (
        "Listeners rated from 1 (different) to 4 (same) whether a clip and a recording of the target are of the same "
        "speaker, as in the Voice Conversion Challenge"
    ),
    "mushra": (
        "Clips were rated from 0 to 100 against a reference, with a hidden reference and anchors at 3.5 and 7 kHz "
        "(ITU-R BS.1534-3)"
    ),
    "mushra-like": (
        "Clips were rated from 0 to 100 against a reference with other words, with a hidden reference and anchors at 3.5 and 7 kHz; "
        "this is like MUSHRA, but not MUSHRA"
    ),
    "preference": "Of two clips, listeners chose the one whose voice is closer to a recording of the target",
}

DECIMALS = {"mos": 2, "similarity-mos": 2, "mushra": 1, "preference": 3}


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


def _design(analysis: Analysis) -> Iterator[str]:
    content, before = analysis.key.content, analysis.before
    systems, references = len(content["systems"]), len(content["references"])
    also = f" and {references} kind{'s' * (references > 1)} of reference recording" if references else ""
    refusal = ""
    if analysis.key.test == "preference":
        allowed = analysis.key.bundle.manifest["no_preference"]
        refusal = '; "no preference" was allowed and counts one half for each' if allowed else "; a choice was required"
    unit = "comparisons" if analysis.key.test == "preference" else "ratings"
    yield (
        f"{ASKED[content['name']]}{refusal}. {before.listeners} listeners gave {before.ratings} {unit} of {systems} systems{also} "
        f"on {before.items} items."
    )


def _screening(analysis: Analysis) -> Iterator[str]:
    fixed = "fixed before the test" if analysis.key.plan_kept else "changed after the bundle was exported"
    if not analysis.out:
        yield f"No listener broke a screening rule (rules {fixed})."
        return
    rules = ", ".join(dict.fromkeys(analysis.screened["rule"]))
    verb = "was" if len(analysis.out) == 1 else "were"
    yield (
        f"{len(analysis.out)} of them {verb} left out by rules {fixed} ({rules}), leaving {analysis.after.listeners} "
        f"listeners and {analysis.after.ratings} {'comparisons' if analysis.side else 'ratings'}."
    )


def _means(analysis: Analysis) -> Iterator[str]:
    plan, decimals = analysis.key.plan, DECIMALS[analysis.key.test]
    scores = analysis.after.scores
    pooled = scores[scores["condition"] == ALL]
    what = "Shares of preference" if analysis.side else "Mean ratings"
    found = "; ".join(
        f"{row['system']} {row['mean']:.{decimals}f} {interval(row, decimals)}" for _, row in pooled.iterrows()
    )
    yield (
        f"{what} with {1 - plan.alpha:.0%} intervals (bootstrap over listeners and items, {plan.bootstrap_samples} draws): {found}."
    )


def _friedman(analysis: Analysis) -> Iterator[str]:
    test = analysis.after.friedman
    if test is not None:
        differ = "differed" if test.p <= analysis.key.plan.alpha else "did not differ significantly"
        yield (
            f"Systems {differ} (Friedman's test on listeners' means: \u03c7\u00b2({test.freedom}) = {test.statistic:.2f}, "
            f"{probability(test.p)}, Kendall's W = {test.agreement:.2f}, n = {test.listeners})."
        )


def _pairs(analysis: Analysis) -> Iterator[str]:
    pairs, plan, test = analysis.after.pairs, analysis.key.plan, analysis.key.test
    if pairs.empty:
        return
    for _, row in pairs[pairs["primary"]].iterrows():
        yield (
            f"The primary contrast was {_size(row, test)} (Wilcoxon signed-rank test on listeners' means, "
            f"W = {row['statistic']:g}, {probability(row['p'])}, rank-biserial r = {row['rank_biserial']:.2f}, "
            f"n = {row['listeners']})."
        )
    others = pairs[~pairs["primary"]]
    apart = others["p_holm"] <= plan.alpha
    differed = f"Pairs that differed significantly (Wilcoxon, Holm's correction, \u03b1 = {plan.alpha:g})"
    for title, part in ((differed, others[apart]), ("Pairs without a significant difference", others[~apart])):
        found = [
            f"{_size(row, test)}, {probability(row['p_holm'])}, r = {row['rank_biserial']:.2f}"
            for _, row in part.iterrows()
        ]
        if found:
            yield f"{title}: {'; '.join(found)}."


def _size(row: pd.Series, test: str) -> str:
    """A pair's difference, or in a preference test the share of the first, with its interval."""
    if test == "preference":
        limits = f"[{row['share_low']:.1%}, {row['share_high']:.1%}]"
        return f"{row['first']} over {row['second']} {row['share']:.1%} {limits} over listeners"
    decimals = DECIMALS[test]
    return f"{row['first']} \u2212 {row['second']} {row['difference']:+.{decimals}f} {interval(row, decimals)}"


def _rest(analysis: Analysis) -> Iterator[str]:
    if analysis.side:
        side = pd.Series(analysis.side)
        yield f"A was chosen in {side['share']:.1%} [{side['low']:.1%}, {side['high']:.1%}] of the choices."
    model = analysis.model
    if model is not None and model.converged:
        parts = ", ".join(f"{name} {value:.3g}" for name, value in model.variances.items())
        yield f"A linear mixed model with random intercepts for listeners and items gave the variances: {parts}."
    if analysis.after.alpha == analysis.after.alpha:
        level = LEVELS[analysis.key.test]
        yield f"Agreement between listeners was Krippendorff's \u03b1 = {analysis.after.alpha:.2f} ({level})."
