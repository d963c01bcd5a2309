"""The compact letter display: systems that share a letter do not differ significantly (Piepho 2004)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from vcbench.listening.analysis.analyse import Analysis
from vcbench.listening.analysis.statistics import ALL
from vcbench.listening.analysis.wording import MANY

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def letters(systems: Sequence[str], pairs: pd.DataFrame, alpha: float) -> dict[str, str]:
    """The letters of each system, from Holm's p-values.

    Args:
        systems: the best first; it gets the letter a.
        pairs: of `vcbench.listening.analysis.comparisons.compare`; a pair without a p-value does not differ.
    """
    apart = {(row.first, row.second) for row in pairs.itertuples() if row.p_holm <= alpha}
    groups = _groups(systems, apart)
    place = {name: number for number, name in enumerate(systems)}
    ordered = sorted(groups, key=lambda group: sorted(place[name] for name in group))
    return {
        name: " ".join(_letter(number) for number, group in enumerate(ordered) if name in group) for name in systems
    }


def _groups(systems: Iterable[str], apart: set[tuple[str, str]]) -> list[frozenset[str]]:
    """The largest sets of systems without a pair that differs: every such pair splits the sets that hold both."""
    groups = [frozenset(systems)]
    for first, second in sorted(apart):
        split = [group for group in groups if {first, second} <= group]
        kept = [group for group in groups if not {first, second} <= group]
        for part in (group - {name} for group in split for name in (first, second)):
            if not any(part <= other for other in kept):
                kept = [other for other in kept if not other < part]
                kept.append(part)
        groups = kept
    return groups


def _letter(number: int) -> str:
    """a to z, then aa, ab and so on."""
    first, last = divmod(number, len(ALPHABET))
    return (_letter(first - 1) if first else "") + ALPHABET[last]


def display(analysis: Analysis) -> dict[str, str]:
    """The letters of the compared systems, if there are too many pairs to list and all of them were corrected."""
    pairs = analysis.after.pairs
    if len(pairs) <= MANY or pairs["primary"].any():
        return {}
    scores = analysis.after.scores
    pooled = scores[scores["condition"] == ALL].set_index("system")["mean"].astype(float).to_dict()
    compared = {*pairs["first"], *pairs["second"]}
    ordered = sorted(compared, key=lambda name: (-pooled[name], name))
    return letters(ordered, pairs, analysis.key.plan.alpha)
