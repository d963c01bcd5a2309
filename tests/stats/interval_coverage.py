"""How often 95% intervals contain the true mean, and how often two equal systems are called different.

    python tests/stats/interval_coverage.py --experiments 2000

Trial lists are those that vcbench draws, or grids. Speakers have effects, drawn anew in each experiment; "one effect" means
that a speaker's effect is the same as source and as target. In the paired comparison, systems share twice these effects and
each has its own. `width` is the mean width of the intervals over that of the best possible ones, which know the standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from vcbench.run.trials import CONDITIONS, TrialSettings, build_trials
from vcbench.speech.corpora.split import Split
from vcbench.speech.utterance import Speaker, Utterance
from vcbench.stats.bootstrap import resample
from vcbench.stats.clusters import clusters

Pairs = tuple[tuple[str, ...], tuple[str, ...]]  # source and target speakers of each trial
LISTS = 200  # of each design; experiments take them in turn


@dataclass(frozen=True)
class Effects:
    """Standard deviations of speakers' effects as source and as target, their correlation, and the trials' noise.

    Attributes:
        skewed: exponential instead of normal.
        weighted: trials have weights from 3 to 14, like the words of a sentence, instead of equal ones.
    """

    source: float = 1
    target: float = 1
    correlation: float = 1
    noise: float = 1
    skewed: bool = False
    weighted: bool = False

    def draw(self, generator: np.random.Generator, pairs: Pairs) -> np.ndarray:
        """(n,) values with mean 0."""
        sample = (lambda size: generator.exponential(1, size) - 1) if self.skewed else partial(generator.normal, 0, 1)
        speakers, sources, targets = numbered(pairs)
        shared, other = sample(speakers), sample(speakers)
        role = self.correlation * shared + np.sqrt(1 - self.correlation**2) * other
        return self.source * shared[sources] + self.target * role[targets] + self.noise * sample(len(sources))


@lru_cache
def numbered(pairs: Pairs) -> tuple[int, np.ndarray, np.ndarray]:
    """How many speakers there are, and their numbers in both roles."""
    names, codes = np.unique(np.array(pairs), return_inverse=True)
    return len(names), *codes.reshape(2, -1)


EFFECTS = {
    "one effect": Effects(),
    "half correlated": Effects(correlation=0.5),
    "separate effects": Effects(correlation=0),
    "weak, one effect": Effects(0.4, 0.4),
    "source only": Effects(target=0, correlation=0),
    "no effect": Effects(0, 0),
    "one effect, weights": Effects(weighted=True),
    "one effect, skewed": Effects(skewed=True),
}


@lru_cache
def corpus(seen: int, unseen: int) -> Split:
    """Speakers with ten recordings each, half of them of either sex."""
    held_out, strangers, speakers = [], [], {}
    for count, kind, into in ((seen, "seen", held_out), (unseen, "unseen", strangers)):
        for number in range(count):
            name = f"{kind}{number}"
            own = tuple(Utterance(f"{name}/{index}", name, Path(f"{index}.wav"), held_out=True) for index in range(10))
            into += own
            speakers[name] = Speaker(name, own, "FM"[number % 2], kind == "seen")
    return Split((), tuple(held_out), tuple(strangers), speakers)


def drawn(seen: int, unseen: int, each: int, conditions: tuple[str, ...], seed: int) -> Pairs:
    """A list as vcbench draws it."""
    table = build_trials(corpus(seen, unseen), TrialSettings(seed=seed, per_condition=each, conditions=conditions))
    return tuple(table["source_speaker"]), tuple(table["target_speaker"])


def grid(sources: int, targets: int, trials: int, seed: int) -> Pairs:
    """No speaker has both roles; the cells are used as evenly as possible."""
    generator = np.random.default_rng(seed)
    cells = np.concatenate([generator.permutation(sources * targets) for _ in range(-(-trials // (sources * targets)))])
    chosen = cells[:trials]
    return tuple(f"s{cell // targets}" for cell in chosen), tuple(f"t{cell % targets}" for cell in chosen)


def unbalanced(speakers: int, trials: int, seed: int) -> Pairs:
    """Any two speakers; the k-th is used in proportion to 1 / k."""
    generator = np.random.default_rng(seed)
    share = 1 / np.arange(1, speakers + 1)
    pairs = [generator.choice(speakers, 2, False, share / share.sum()) for _ in range(trials)]
    return tuple(f"p{first}" for first, _ in pairs), tuple(f"p{second}" for _, second in pairs)


UNSEEN = CONDITIONS[-1]


def _designs() -> Iterator[tuple[str, Callable[[int], Pairs]]]:
    """Titles, and what draws a list from a seed."""
    for seen, unseen, each in ((12, 4, 12), (26, 8, 12), (26, 8, 60)):
        for name, conditions in (("all", CONDITIONS), *((condition, (condition,)) for condition in CONDITIONS)):
            title = f"{seen} seen and {unseen} unseen: {name}, {each * len(conditions)} trials"
            yield title, partial(drawn, seen, unseen, each, conditions)
    for sources, targets, trials in ((12, 12, 36), (12, 12, 72), (12, 12, 144), (12, 4, 48), (4, 4, 12)):
        yield f"{sources} sources x {targets} targets, {trials} trials", partial(grid, sources, targets, trials)
    for speakers, trials in ((12, 60), (30, 200)):
        yield f"{speakers} speakers, unbalanced, {trials} trials", partial(unbalanced, speakers, trials)
    for speakers in (3, 4, 5, 6, 8, 10, 12):
        yield f"{speakers} unseen: {UNSEEN}, 60 trials", partial(drawn, 2, speakers, 60, (UNSEEN,))


DESIGNS: dict[str, Callable[[int], Pairs]] = dict(_designs())


@lru_cache(maxsize=LISTS * 4)
def trial_list(design: str, seed: int) -> Pairs:
    return DESIGNS[design](seed)


@dataclass(frozen=True)
class Found:
    """Share of intervals that contain the mean, share of equal systems called different, and relative width."""

    covered: float
    different: float
    width: float


def measure(design: str, effects: Effects, experiments: int, draws: int = 200) -> Found:
    generator = np.random.default_rng(experiments)
    covered, different, widths, estimates = 0, 0, [], []
    for experiment in range(experiments):
        pairs = trial_list(design, experiment * LISTS // experiments)
        count = len(pairs[0])
        weights = generator.integers(3, 15, count).astype(float) if effects.weighted else np.ones(count)
        found = clusters(count, *pairs)
        mean = resample([(effects.draw(generator, pairs), weights)], found, draws, 0)
        low, high = mean.limits(0.95)
        covered += low <= 0 <= high
        widths.append(high - low)
        estimates.append(mean.estimate)
        shared = 2 * effects.draw(generator, pairs)
        systems = [(shared + effects.draw(generator, pairs), weights) for _ in range(2)]
        different += resample(systems, found, draws, 0).p_value() <= 0.05
    ideal = 2 * 1.96 * float(np.sqrt(np.mean(np.square(estimates))))
    return Found(covered / experiments, different / experiments, float(np.mean(widths)) / ideal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--only", default="", help="part of a design's name")
    options = parser.parse_args()
    print(f"| trial list | {' | '.join(EFFECTS)} |")
    print(f"|---|{'---|' * len(EFFECTS)}")
    for design in (name for name in DESIGNS if options.only in name):
        found = [measure(design, effects, options.experiments, options.draws) for effects in EFFECTS.values()]
        cells = [f"{100 * one.covered:.1f}, {100 * one.different:.1f}, {one.width:.2f}" for one in found]
        print(f"| {design} | {' | '.join(cells)} |", flush=True)
    print("\nIn each cell: coverage (%), equal systems called different (%), width.")


if __name__ == "__main__":
    main()
