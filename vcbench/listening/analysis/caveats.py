"""Warnings about what a reviewer would object to in a listening test."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from vcbench.base.nouns import counted, verb
from vcbench.listening.analysis.statistics import ALL, TWO_MODES, Findings, points
from vcbench.listening.analysis.wording import WORDINGS, some
from vcbench.listening.answers.key import Key
from vcbench.listening.design.design import ANCHOR_35, ANCHOR_70, HIDDEN

CROWDED = 80  # on MUSHRA's scale: if most ratings are above it, systems are hard to tell apart (BS.1534-3)


def caveats(key: Key, table: pd.DataFrame, findings: Findings, screened: int) -> list[str]:
    """Sentences about missing data, a changed plan, and suspicious ratings.

    Args:
        table: of `vcbench.listening.answers.reading.Reading`, for the listeners that count.
        findings: for these listeners.
        screened: how many listeners were left out.
    """
    found = [] if key.plan_kept else ["The analysis plan was changed after the bundle was exported."]
    found += _too_few(key, table, findings, screened)
    found += _insensitive(key, findings)
    if key.test == "mushra":
        own = table[(table["purpose"] == "rated") & ~table["system"].isin([HIDDEN, ANCHOR_35, ANCHOR_70])]
        high = float((own["rating"].dropna() > CROWDED).mean())
        if high > 0.5:
            found.append(
                f"{high:.0%} of the ratings are above {CROWDED}: MUSHRA can hardly tell systems this good apart."
            )
    if key.kind.answer in ("category", "sliders"):
        scores = findings.scores[findings.scores["condition"] == ALL]
        if two := scores.loc[scores["bimodality"] > TWO_MODES, "system"].tolist():
            found.append(
                f"The ratings of {some(two)} may have two modes (bimodality coefficient above 5/9). See the plot."
            )
    return found


def _too_few(key: Key, table: pd.DataFrame, findings: Findings, screened: int) -> Iterator[str]:
    plan = key.plan
    if findings.listeners < plan.listeners:
        left_out = f" after {screened} {verb(screened, 'was', 'were')} left out" if screened else ""
        count = verb(findings.listeners, "counts", "count")
        yield f"{counted(findings.listeners, 'listener')} {count}{left_out}; {plan.listeners} were planned."
    counts = points(table, key.test).groupby("clip")["listener"].nunique()
    least = int(counts.min())
    if least < plan.ratings_per_clip:
        share = (counts < plan.ratings_per_clip).mean()
        planned = counted(plan.ratings_per_clip, "rating")
        yield f"{share:.0%} of the clips have fewer than the {planned} planned; the fewest are {least}."


def _insensitive(key: Key, findings: Findings) -> Iterator[str]:
    """Check the power of the primary contrast, or of all pairs if there is none: can n listeners reach alpha at all, and
    would they detect a difference that matters?
    """
    pairs = findings.pairs
    if pairs.empty:
        return
    primary = pairs[pairs["primary"]]
    asked = primary if len(primary) else pairs
    step = key.plan.alpha / len(asked)
    least = int(asked["listeners"].min())
    if 2.0 ** (1 - least) > step:
        needed = next(count for count in range(2, 100) if 2.0 ** (1 - count) <= step)
        yield (
            f"With {counted(least, 'listener')} Wilcoxon's test cannot reach the level of {step:.2g} that "
            f"{_first(len(primary))} needs; it takes at least {needed}."
        )
    worst = asked.loc[asked["detectable"].idxmax()] if asked["detectable"].notna().any() else None
    if worst is not None and worst["detectable"] > WORDINGS[key.content["name"]].worth:
        yield (
            f"Too few ratings: between {worst['first']} and {worst['second']} only a difference of {worst['detectable']:.2f} or more "
            f"would have been detected with 80% power at the plan's alpha of {key.plan.alpha:g}."
        )


def _first(primary: int) -> str:
    return ("the first of the pairs", "the primary contrast", "the first of the primary contrasts")[min(primary, 2)]
