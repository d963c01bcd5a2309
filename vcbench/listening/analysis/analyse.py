"""`vcbench listen analyse`: from files of answers to the reported results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vcbench.listening.analysis import mixed_model, ordinal
from vcbench.listening.analysis.caveats import caveats
from vcbench.listening.analysis.screening import screen
from vcbench.listening.analysis.statistics import Findings, analyse, points, side_bias
from vcbench.listening.answers.key import Key
from vcbench.listening.answers.reading import Reading, read
from vcbench.listening.kinds import ListeningError


@dataclass(frozen=True)
class Analysis:
    """A listening test, analysed.

    Attributes:
        screened: of `vcbench.listening.analysis.screening.screen`.
        before, after: findings for all listeners, and for those that passed the screening.
        model: of the latter; ``None`` unless clips are rated one by one, and if the ratings do not determine it.
        odds: of `vcbench.listening.analysis.ordinal.fit`, if it was asked for; else ``None``.
        side: for pairs, how often A was chosen (`vcbench.listening.analysis.statistics.side_bias`); else ``None``.
        caveats: warnings about what a reviewer would object to.
    """

    key: Key
    reading: Reading
    screened: pd.DataFrame
    before: Findings
    after: Findings
    model: mixed_model.MixedModel | None
    odds: mixed_model.MixedModel | None
    side: dict[str, float] | None
    caveats: list[str]

    @property
    def out(self) -> list[str]:
        """The listeners that were left out, each once."""
        return list(dict.fromkeys(self.screened["listener"]))

    @property
    def counted(self) -> pd.DataFrame:
        """The answers of the listeners that count."""
        table = self.reading.table
        return table[~table["listener"].isin(self.out)]


def analyse_test(key: Key, results: Sequence[Path], with_ordinal: bool = False) -> Analysis:
    """Read, screen, and analyse before and after screening.

    Args:
        with_ordinal: whether to fit `vcbench.listening.analysis.ordinal`, which takes a while for many ratings.

    Raises:
        ListeningError: an ordinal model of a test without categories, answers to another test, or no listener who rated
            anything and passed the screening.
    """
    if with_ordinal and key.kind.answer != "category":
        raise ListeningError(
            f"The cumulative-link mixed model is for ratings in categories; this is a test of the kind {key.test}."
        )
    reading = read(results, key)
    screened = screen(reading.table, key.plan, key.gold)
    counted = reading.table[~reading.table["listener"].isin(screened["listener"])]
    rated = points(counted, key.test)
    if rated.empty:
        broken = "; ".join(f"listener {row.listener}: {row.rule} ({row.found})" for row in screened.itertuples())
        raise ListeningError(f"No listener who rated anything passed the screening. {broken}".rstrip())
    systems = key.content["systems"]
    after = analyse(counted, key.plan, key.rows, systems)
    compared = [*systems, *key.content["references"]]
    modelled = key.kind.answer in ("category", "sliders")
    return Analysis(
        key=key,
        reading=reading,
        screened=screened,
        before=analyse(reading.table, key.plan, key.rows, systems) if len(screened) else after,
        after=after,
        model=mixed_model.fit(rated, compared, key.plan.alpha) if modelled else None,
        odds=ordinal.fit(rated, compared, key.plan.alpha) if with_ordinal else None,
        side=side_bias(counted, key.plan, key.plan.bootstrap_samples) if key.kind.pairs else None,
        caveats=caveats(key, counted, after, screened["listener"].nunique()),
    )
