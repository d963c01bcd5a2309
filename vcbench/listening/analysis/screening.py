"""Decide which listeners to leave out, by rules fixed before anybody has rated anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from vcbench.base.nouns import counted
from vcbench.listening.design.design import ANCHOR_70, HIDDEN
from vcbench.listening.design.plan import AnalysisPlan, CategoryScreening, MushraScreening
from vcbench.listening.kinds import KINDS

FIELDS = ["listener", "rule", "found"]


def screen(table: pd.DataFrame, plan: AnalysisPlan, gold: Mapping[str, Any]) -> pd.DataFrame:
    """The listeners to leave out: a row per broken rule, `listener, rule, found`.

    Unrated clips break no rule; neither do fields that a format lacks.

    Args:
        table: of `vcbench.listening.answers.reading.Reading`.
        gold: of `vcbench.listening.answers.key.Key`.
    """
    rated = table[table["rating"].notna()]
    broken: list[tuple[str, str, str]] = []
    if plan.mushra is not None:
        broken += _mushra(rated, plan.mushra)
    if plan.category is not None:
        for listener, own in rated.groupby("listener", sort=False):
            found = _category(own, plan.category, gold, KINDS[plan.test].answer == "comparison")
            broken += ((str(listener), rule, what) for rule, what in found)
    return pd.DataFrame(broken, columns=FIELDS)


def _mushra(rated: pd.DataFrame, rules: MushraScreening) -> Iterator[tuple[str, str, str]]:
    """ITU-R BS.1534-3: the hidden reference too low, or the 7 kHz anchor too high, in too many of a listener's items."""
    hidden = rated[rated["system"] == HIDDEN]
    low = hidden["rating"] < rules.reference_minimum
    yield from _too_many(hidden, low, f"hidden reference below {rules.reference_minimum}", rules.share_of_items)
    anchor = rated[rated["system"] == ANCHOR_70]
    high = anchor["rating"] > rules.anchor_maximum
    # If so many listeners notice no difference, blame the item, not the listener.
    counted = high.groupby(anchor["item"]).transform("mean") <= rules.exempt_share
    name = f"7 kHz anchor above {rules.anchor_maximum}"
    yield from _too_many(anchor[counted], high[counted], name, rules.share_of_items)


def _too_many(clips: pd.DataFrame, failed: pd.Series, rule: str, allowed: float) -> Iterator[tuple[str, str, str]]:
    for listener, own in failed.groupby(clips["listener"], sort=False):
        if own.mean() > allowed:
            yield (
                str(listener),
                rule,
                f"in {own.sum()} of {counted(len(own), 'item')}; at most {allowed:.0%} are allowed",
            )


def _category(
    own: pd.DataFrame, rules: CategoryScreening, gold: Mapping[str, Any], compared: bool
) -> Iterator[tuple[str, str]]:
    """After ITU-T P.808: one listener's traps, gold clips, playback and variance."""
    unheard = int((own["heard"] == False).sum())  # noqa: E712  # missing is neither
    if rules.all_heard and unheard:
        yield "clips not played fully", f"{unheard} of {len(own)}; none are allowed"
    for purpose, least in (("trap", rules.traps_share), ("gold", rules.gold_share)):
        right = _right(own[own["purpose"] == purpose], gold)
        if len(right) and right.mean() < least:
            yield (
                f"{purpose} clips answered wrongly",
                f"{right.sum()} of {len(right)} right; at least {least:.0%} are needed",
            )
    counted = own[own["purpose"] == "rated"]
    if compared:  # the ratings of A follow from those of B
        counted = counted[counted["position"] != 0]
    variance = counted["rating"].var(ddof=0)
    if len(counted) > 1 and variance < rules.minimum_variance:
        yield "ratings all the same", f"variance {variance:.2f}; at least {rules.minimum_variance:g} is needed"


def _right(clips: pd.DataFrame, gold: Mapping[str, Any]) -> pd.Series:
    """By page, whether all its clips have accepted ratings."""
    accepted = [
        rating in gold[page]["accepted"][clip]
        for page, clip, rating in zip(clips["page"], clips["clip"], clips["rating"], strict=True)
    ]
    return pd.Series(accepted, clips.index, dtype=bool).groupby(clips["page"]).all()
