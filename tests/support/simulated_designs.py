"""Simulated listeners with known truth, for each design: what they answer, and what the mean answer would be.

A listener's impression of a clip is normal: the system's worth, the listener's and the item's own opinions of this system,
and the rest. So the marginal impressions are independent normals, and the truth follows from them.
"""

from __future__ import annotations

from itertools import combinations, permutations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tests.support.simulated_ratings import make_plan
from vcbench.listening.answers.key import Key
from vcbench.listening.design.sets import sets
from vcbench.listening.kinds import KINDS, SET_SIZE

WORTH = {"best": 0.8, "good": 0.35, "fair": -0.1, "poor": -0.6}
SPREAD = {"listener": 0.4, "item": 0.3, "rest": 0.8}  # standard deviations
WHOLE = float(np.sqrt(sum(deviation**2 for deviation in SPREAD.values())))
MIDDLE = {"category": 3.0, "comparison": 0.0}


def units(test: str, systems: list[str]) -> list[tuple[str, ...]]:
    kind = KINDS[test]
    if kind.answer == "best-worst":
        return sets(systems, SET_SIZE)
    if kind.discriminates:
        return list(permutations(systems, 2))
    return list(combinations(systems, 2)) if kind.pairs else [(system,) for system in systems]


def impressions(random: np.random.Generator, systems: list[str], listeners: int, items: int) -> dict[str, np.ndarray]:
    """(listeners, items) of each system, without what is new in every rating."""
    return {
        name: WORTH[name] + random.normal(0, SPREAD["listener"], (listeners, 1)) + random.normal(0, SPREAD["item"], items)
        for name in systems
    }  # fmt: skip


def answers(test: str, heard: np.ndarray) -> np.ndarray:
    """(clips, n) ratings from impressions (clips, n) of the clips of a page; the first is X."""
    kind = KINDS[test]
    if kind.answer == "category":
        return np.clip(np.round(MIDDLE["category"] + heard), kind.values[0], kind.values[-1])
    if kind.answer == "comparison":
        second = np.clip(np.round(heard[1] - heard[0]), kind.values[0], kind.values[-1])
        return np.stack([-second, second])
    if kind.answer == "choice":  # X is heard as the better one by whom the difference is clear
        first = (heard[0] > heard[1]).astype(float)
        return np.stack([first, 1 - first])
    best, worst = heard.argmax(0), heard.argmin(0)
    places = np.arange(len(heard))[:, None]
    return (places == best).astype(float) - (places == worst)


def simulate(
    test: str, seed: int, listeners: int = 20, items: int = 12, systems: list[str] | None = None, careless: int = 0
) -> pd.DataFrame:
    """A table as `vcbench.listening.answers.reading` reads it; the last `careless` listeners answer anything."""
    random, systems = np.random.default_rng(seed), systems or list(WORTH)
    known = impressions(random, systems, listeners, items)
    rows: list[dict[str, Any]] = []
    for number, unit in enumerate(units(test, systems)):
        heard = np.stack([known[name] + random.normal(0, SPREAD["rest"], (listeners, items)) for name in unit])
        heard[:, listeners - careless :] = random.normal(0, 1, (len(unit), careless, items))
        flat = answers(test, heard.reshape(len(unit), -1)).reshape(heard.shape)
        if (
            KINDS[test].discriminates and WORTH[unit[0]] < WORTH[unit[1]]
        ):  # the same difference is heard, whichever is X
            flat = answers(test, heard[::-1].reshape(2, -1)).reshape(heard.shape)
        for (listener, item), _ in np.ndenumerate(heard[0]):
            turn = (listener + item + number) % len(unit)
            for place, name in enumerate(unit):
                rows.append(
                    {
                        "listener": str(listener + 1), "item": f"t{item}", "system": name, "condition": "",
                        "rating": flat[place, listener, item], "position": (place + turn) % len(unit),
                        "page": f"p_{number}_{item}", "clip": f"s_{number}_{item}_{place}", "purpose": "rated", "heard": True,
                        "right": KINDS[test].discriminates and place == 0,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def expected(test: str, systems: list[str] | None = None) -> dict[tuple[str, str], float]:
    """The true difference of each pair, as `vcbench.listening.analysis.comparisons.compare` defines it."""
    systems = systems or list(WORTH)
    kind = KINDS[test]
    if kind.answer == "best-worst":
        return _differences(_best_worst(systems))
    if kind.answer == "category":
        return _differences({name: _rounded(MIDDLE["category"] + WORTH[name], WHOLE, kind.values) for name in systems})
    found = {}
    for first, second in combinations(systems, 2):
        apart = WORTH[first] - WORTH[second]
        if kind.answer == "comparison":
            found[first, second] = _rounded(apart, np.sqrt(2) * WHOLE, kind.values)
            continue
        chosen = float(stats.norm.cdf(apart / (np.sqrt(2) * WHOLE)))
        found[first, second] = chosen - 0.5 if kind.discriminates else 2 * chosen - 1
    return found


def _differences(means: dict[str, float]) -> dict[tuple[str, str], float]:
    return {(first, second): means[first] - means[second] for first, second in combinations(means, 2)}


def _rounded(mean: float, deviation: float, values: tuple[int, ...]) -> float:
    """The mean of a normal that is rounded to the nearest value."""
    edges = np.array(values[:-1]) + 0.5
    below = stats.norm.cdf((edges - mean) / deviation)
    shares = np.diff([0.0, *below, 1.0])
    return float(shares @ np.array(values))


def _best_worst(systems: list[str], draws: int = 400_000) -> dict[str, float]:
    random = np.random.default_rng(0)
    totals: dict[str, list[float]] = {name: [] for name in systems}
    for unit in sets(systems, SET_SIZE):
        heard = np.stack([random.normal(WORTH[name], WHOLE, draws) for name in unit])
        for name, rating in zip(unit, answers("bws", heard).mean(1), strict=True):
            totals[name].append(float(rating))
    return {name: float(np.mean(ratings)) for name, ratings in totals.items()}


def key_of(table: pd.DataFrame, test: str) -> Key:
    """The key of a test with the clips of a table, without recordings."""
    pages: dict[str, Any] = {}
    clips = {}
    for row in table.drop_duplicates("clip").itertuples():
        page = pages.setdefault(
            row.page, {"trial": row.item, "condition": "", "reference": None, "purpose": "rated", "repeated": None}
        )
        page["repeated"] = row.system if row.right else page["repeated"]
        clips[row.clip] = {"page": row.page, "trial": row.item, "role": row.system}
    values = KINDS[test].values
    content: dict[str, Any] = {
        "id": "vcbench_x", "test": test, "name": test, "values": [values[0], values[-1]], "run": "", "corpus": "made up",
        "systems": sorted(set(table["system"])), "references": [], "pages": pages, "clips": clips,
    }  # fmt: skip
    bundle: Any = SimpleNamespace(manifest={"no_preference": KINDS[test].no_preference}, sheets={})
    return Key(content, {}, make_plan(test), True, bundle)
