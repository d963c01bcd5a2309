"""How many 95% intervals of differences contain the true one, for each design: 300 simulated tests, 20 listeners, 12 items.

python tests/listening/design_coverage.py [--tests 300]
"""

from __future__ import annotations

import argparse

import numpy as np

from tests.support.simulated_designs import WORTH, expected, simulate
from tests.support.simulated_ratings import make_plan
from vcbench.listening.analysis.comparisons import compare
from vcbench.listening.analysis.crossed import Grid
from vcbench.listening.analysis.statistics import groups_of, points

DESIGNS = ("acr", "dmos", "smos", "cmos", "ab", "abx", "bws")


def coverage(test: str, tests: int, listeners: int = 20, items: int = 12, draws: int = 200) -> float:
    """The share of intervals, over all pairs, that contain the truth."""
    plan, systems, truth = make_plan(test), list(WORTH), expected(test)
    covered = []
    for seed in range(tests):
        rated = points(simulate(test, seed, listeners, items), test)
        grid = Grid(rated["listener"].tolist(), rated["item"].tolist(), draws, 0)
        pairs = compare(rated, systems, plan, grid, groups_of(rated, np.arange(len(rated)), systems, grid))
        covered += [row.low <= truth[row.first, row.second] <= row.high for row in pairs.itertuples()]
    return float(np.mean(covered))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=int, default=300)
    options = parser.parse_args()
    for test in DESIGNS:
        print(f"{test}: {100 * coverage(test, options.tests):.1f}% of {options.tests} x 6 intervals", flush=True)


if __name__ == "__main__":
    main()
