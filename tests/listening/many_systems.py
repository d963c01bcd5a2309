"""How long the analysis of a challenge takes, and how much memory: 60 systems, 119 listeners, as many ratings as asked.

python tests/listening/many_systems.py [--ratings 50000] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from vcbench.listening.analysis.analyse import analyse_test
from vcbench.listening.analysis.report import write
from vcbench.listening.answers.key import Key
from vcbench.listening.design.plan import AnalysisPlan, CategoryScreening

SYSTEMS, LISTENERS, ITEMS = 60, 119, 80


def challenge(ratings: int, seed: int = 0) -> tuple[pd.DataFrame, dict[str, float]]:
    """Ratings from 1 to 5 (`listener, item, system, rating`), and what each system would be rated without rounding."""
    random = np.random.default_rng(seed)
    names = [f"T{number:02d}" for number in range(SYSTEMS)]
    truth = np.sort(random.uniform(1.5, 4.7, SYSTEMS))[::-1]
    cells = random.permutation(SYSTEMS * LISTENERS * ITEMS)[:ratings]
    system, listener, item = np.unravel_index(np.sort(cells), (SYSTEMS, LISTENERS, ITEMS))
    taste, difficulty = random.normal(0, 0.4, LISTENERS), random.normal(0, 0.25, ITEMS)
    own = random.normal(0, 0.25, (SYSTEMS, LISTENERS))
    heard = truth[system] + taste[listener] + difficulty[item] + own[system, listener] + random.normal(0, 0.7, ratings)
    table = pd.DataFrame(
        {
            "listener": [f"L{code:03d}" for code in listener],
            "item": [f"t{code:04d}" for code in item],
            "system": [names[code] for code in system],
            "rating": np.clip(np.round(heard), 1, 5).astype(int),
        }
    )
    return table, dict(zip(names, truth, strict=True))


def key_of(table: pd.DataFrame) -> Key:
    """The key of a test with these systems and items, without recordings."""
    systems, items = sorted(set(table["system"])), sorted(set(table["item"]))
    conditions = {item: ("task1", "task2")[place % 2] for place, item in enumerate(items)}
    codes = {(system, item): f"{system.lower()}_{item}" for system in systems for item in items}
    pages = {
        f"p_{code}": {"trial": item, "condition": conditions[item], "reference": None, "purpose": "rated"}
        for (_, item), code in codes.items()
    }
    clips = {
        f"s_{code}": {"page": f"p_{code}", "trial": item, "role": system} for (system, item), code in codes.items()
    }
    content: dict[str, Any] = {
        "id": "vcbench_challenge", "test": "mos", "name": "mos", "values": [1, 5], "run": "", "corpus": "made up",
        "systems": systems, "references": [], "pages": pages, "clips": clips,
    }  # fmt: skip
    plan = AnalysisPlan(
        bundle="vcbench_challenge", test="mos", name="mos", primary_contrast=[], seed=0, listeners=LISTENERS,
        ratings_per_clip=1, category=CategoryScreening(),
    )  # fmt: skip
    bundle: Any = SimpleNamespace(manifest={"no_preference": False}, sheets={})
    return Key(content, {}, plan, True, bundle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=int, default=50_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    table, _ = challenge(options.ratings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.csv"
        table.to_csv(path, index=False)
        started, used = time.perf_counter(), time.process_time()
        analysis = analyse_test(key_of(table), [path])
        analysed = time.perf_counter() - started
        write(analysis, options.out or Path(folder))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(table)} ratings: analysed in {analysed:.1f} s, with the report {time.perf_counter() - started:.1f} s")
    print(f"{time.process_time() - used:.1f} s of CPU time; at most {peak:.2f} GiB of memory")


if __name__ == "__main__":
    main()
