"""Many comparisons at once give what each gives alone, whatever speakers, weights and failures are."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from vcbench.stats import bootstrap
from vcbench.stats.bootstrap import resample, resample_all
from vcbench.stats.clusters import clusters
from vcbench.stats.scores import compare_pairs


def drawn(speakers: int, trials: int, kinds: str) -> tuple[list[str], list[str]]:
    generator = np.random.default_rng(speakers)
    sources = generator.integers(0, speakers, trials)
    targets = (sources + generator.integers(1, speakers, trials)) % speakers
    return [f"{kinds[0]}{code}" for code in sources], [f"{kinds[1]}{code}" for code in targets]


@pytest.mark.parametrize(("speakers", "kinds"), [(5, "pp"), (40, "pp"), (12, "st")])
@pytest.mark.parametrize("block", [2**22, 2**12])
def test_many_at_once_give_what_each_gives_alone(
    speakers: int, kinds: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "BLOCK", block)
    monkeypatch.setattr(bootstrap, "PRODUCTS", 4 * block)
    generator = np.random.default_rng(1)
    found = clusters(200, *drawn(speakers, 200, kinds))
    values = generator.normal(0, 1, (12, 200))
    weights = np.where(np.arange(12)[:, None] % 2, generator.integers(3, 15, 200), 1.0)
    terms = [[(values[row], weights[row]) for row in pair] for pair in combinations(range(12), 2)]
    for own, one in zip(terms, resample_all(terms, found, 300, 7), strict=True):
        alone = resample(own, found, 300, 7)
        assert one.estimate == alone.estimate
        assert one.errors == alone.errors
        np.testing.assert_allclose(one.deviations, alone.deviations, rtol=0, atol=1e-12)


def test_a_pair_of_systems_is_compared_as_if_there_were_no_others() -> None:
    generator = np.random.default_rng(2)
    sources, targets = drawn(8, 60, "pp")
    tables = [
        pd.DataFrame(
            {
                "system": f"system-{number}",
                "trial": [f"t{index}" for index in range(60)],
                "condition": "seen->seen",
                "value": generator.normal(0.1 * number, 1, 60),
                "weight": 1.0,
                "source_speaker": sources,
                "target_speaker": targets,
            }
        ).drop(index=generator.choice(60, 3 * (number % 2), replace=False))
        for number in range(6)
    ]
    together = compare_pairs(pd.concat(tables).sample(frac=1, random_state=0), True, [f"system-{n}" for n in range(6)])
    fields = ["difference", "low", "high", "p", "common"]
    for row, pair in zip(together.itertuples(), combinations(range(6), 2), strict=True):
        alone = compare_pairs(pd.concat([tables[number] for number in pair]), True).iloc[0]
        assert [getattr(row, field) for field in fields] == pytest.approx(alone[fields].tolist(), rel=1e-9)
    assert {60, 57} < set(together["common"])
