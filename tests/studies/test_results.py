"""Claims are answered by their intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.studies import TOY, resolved
from vcbench.api.scores import FIELDS
from vcbench.base.settings import ConfigError
from vcbench.stats.scores import t_interval
from vcbench.studies.results import StudyResults


def table(seeds: int, **means: list[float]) -> pd.DataFrame:
    """Scores of the cells: each seed's mean, spread over eight utterances of four speakers."""
    rows = [
        (cell, "probe_content", f"u{trial}", "all", mean + 0.01 * (-1) ** trial, 1.0, f"s{trial % 4}", "", "{}", seed)
        for cell, values in means.items()
        for seed, mean in enumerate(values[:seeds])
        for trial in range(8)
    ]
    return pd.DataFrame(rows, columns=[*FIELDS, "seed"])


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    ("none", "sigmoid", "relation", "margin", "verdict"),
    [
        ([0.7, 0.72, 0.71], [0.1, 0.13, 0.11], "below", 0.0, "holds"),
        ([0.7, 0.72, 0.71], [0.1, 0.13, 0.11], "above", 0.0, "does not hold"),
        ([0.1, 0.13, 0.11], [0.7, 0.72, 0.71], "below", 0.0, "does not hold"),
        ([0.7, 0.72, 0.71], [0.73, 0.75, 0.74], "below", 0.05, "holds"),
        ([0.7, 0.72, 0.71], [0.68, 0.7, 0.69], "below", -0.05, "does not hold"),
        ([0.7, 0.72, 0.71], [0.68, 0.7, 0.69], "above", 0.05, "holds"),
    ],
)
def test_a_claim_is_answered(
    tmp_path: Path, seeds: int, none: list[float], sigmoid: list[float], relation: Any, margin: float, verdict: str
) -> None:
    found = resolved(tmp_path, TOY)
    claim = found.claims[0].model_copy(update={"relation": relation, "margin": margin})
    answer = StudyResults(found, table(seeds, none=none, sigmoid=sigmoid), tuple(range(seeds))).answer(claim)
    assert answer.verdict == verdict
    assert answer.difference == pytest.approx(np.mean(sigmoid[:seeds]) - np.mean(none[:seeds]))
    assert answer.low <= answer.difference + 1e-12
    assert answer.high >= answer.difference - 1e-12


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    found = resolved(tmp_path, TOY)
    noisy = StudyResults(found, table(3, none=[0.5, 0.6, 0.7], sigmoid=[0.6, 0.55, 0.62]), (0, 1, 2))
    answer = noisy.answer(found.claims[0])
    assert answer.verdict == "cannot be told"
    assert answer.low < 0 < answer.high
    alike = StudyResults(found, table(3, none=[1.0] * 3, sigmoid=[1.0] * 3), (0, 1, 2))
    assert alike.answer(found.claims[0]).verdict == "cannot be told"
    absent = StudyResults(found, table(3, none=[0.5, 0.6, 0.7]), (0, 1, 2)).answer(found.claims[0])
    assert absent.verdict == "cannot be told"
    assert np.isnan(absent.difference)


def test_pairing_seed_by_seed_takes_out_what_seeds_share(tmp_path: Path) -> None:
    found = resolved(tmp_path, TOY)
    paired = StudyResults(found, table(3, none=[0.3, 0.6, 0.9], sigmoid=[0.2, 0.5, 0.81]), (0, 1, 2))
    assert paired.answer(found.claims[0]).verdict == "holds"
    shuffled = StudyResults(found, table(3, none=[0.6, 0.9, 0.3], sigmoid=[0.2, 0.5, 0.81]), (0, 1, 2))
    assert shuffled.answer(found.claims[0]).verdict == "cannot be told"


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_claim_against_a_number_or_another_column(tmp_path: Path, seeds: int) -> None:
    found = resolved(tmp_path, TOY)
    scores = table(seeds, sigmoid=[0.1, 0.12, 0.11])
    chance = scores.assign(column="probe_chance", value=0.05)
    results = StudyResults(found, pd.concat([scores, chance]), tuple(range(seeds)))
    for other, verdict in ((0.3, "holds"), (0.05, "does not hold"), ("probe_chance", "does not hold")):
        assert results.answer(found.claims[0].model_copy(update={"other": other})).verdict == verdict
    above = found.claims[0].model_copy(update={"other": "probe_chance", "relation": "above", "margin": -0.02})
    assert results.answer(above).verdict == "holds"


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_claim_about_two_differences(tmp_path: Path, seeds: int) -> None:
    cells = [{"label": name, "settings": {"activation": name}} for name in ("none", "relu", "elu", "tanh")]
    claim = {"text": "The gap grows", "cell": "elu less tanh", "column": "probe_content", "relation": "above"}
    found = resolved(tmp_path, TOY | {"cells": cells, "claims": [claim | {"other": "none less relu"}]})
    scores = table(seeds, none=[0.5, 0.6, 0.7], relu=[0.4, 0.52, 0.6], elu=[0.9, 0.8, 0.85], tanh=[0.3, 0.2, 0.25])
    answer = StudyResults(found, scores, tuple(range(seeds))).answer(found.claims[0])
    assert answer.verdict == "holds"
    assert answer.difference == pytest.approx(0.5 if seeds == 1 else 0.6 - 0.28 / 3)
    with pytest.raises(ConfigError, match=r"other: there is no 'rely'.*mean 'relu'"):
        resolved(tmp_path, TOY | {"cells": cells, "claims": [claim | {"other": "none less rely"}]})


def test_the_interval_over_seeds_is_students() -> None:
    found = t_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.low, found.high) == pytest.approx((2.0, 2 - 2.4841, 2 + 2.4841), abs=1e-4)
    assert np.isnan(t_interval([1.0]).low)
    assert t_interval([1.0], exact=True).high == 1.0
