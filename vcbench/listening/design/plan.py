"""The analysis plan, fixed before anybody has rated anything: `analysis_plan.toml` in the key folder."""

from __future__ import annotations

import tomli_w

from vcbench.base.settings import Strict
from vcbench.listening.design.design import Design
from vcbench.listening.kinds import KINDS
from vcbench.listening.options import Options


class MushraScreening(Strict):
    """BS.1534-3, 6.1.1: a listener is left out who rates the hidden reference below a limit, or the 7 kHz anchor above one,
    in more than a share of the items. Items whose anchor more than `exempt_share` of all listeners rate so do not count.
    """

    reference_minimum: int = 90
    anchor_maximum: int = 90
    share_of_items: float = 0.15
    exempt_share: float = 0.25


class CategoryScreening(Strict):
    """After ITU-T P.808 and its toolkit: a listener is left out who fails any of these.

    Attributes:
        all_heard: every rated clip must have been played fully.
        traps_share: minimum share of traps answered as instructed.
        gold_share: minimum share of gold clips rated within one point of the end of the scale.
        minimum_variance: of a listener's ratings, of two clips those of B; 0 for choices, whose variance says nothing.
    """

    all_heard: bool = True
    traps_share: float = 0.5
    gold_share: float = 0.5
    minimum_variance: float = 0.1


class AnalysisPlan(Strict):
    """How the answers to one bundle will be analysed.

    Attributes:
        bundle: its id.
        primary_contrast: the primary comparisons, the first row with each of the others; empty: all pairs are equal.
        correction: over the primary comparisons, or over all pairs; pairs that are not primary are exploratory.
        alpha: of every test.
        bootstrap_samples: over listeners and items.
        seed: of the bootstrap.
        listeners, ratings_per_clip: as planned; the analysis warns if there are fewer.
        mushra, category: the screening for this kind of test; the other is absent.
    """

    format: int = 1
    bundle: str
    test: str
    name: str
    primary_contrast: list[str]
    correction: str = "holm"
    alpha: float = 0.05
    bootstrap_samples: int = 10_000
    seed: int
    listeners: int
    ratings_per_clip: int
    mushra: MushraScreening | None = None
    category: CategoryScreening | None = None

    def is_primary(self, first: str, second: str) -> bool:
        """Whether these two rows are a primary comparison."""
        chief, others = self.primary_contrast[:1], self.primary_contrast[1:]
        return ([first] == chief and second in others) or ([second] == chief and first in others)


def make_plan(design: Design, bundle: str, options: Options) -> AnalysisPlan:
    """The default plan for a test."""
    answer = KINDS[design.kind].answer
    varied = CategoryScreening() if answer in ("category", "comparison") else CategoryScreening(minimum_variance=0.0)
    return AnalysisPlan(
        bundle=bundle,
        test=design.kind,
        name=design.name,
        primary_contrast=list(options.contrast or ()),
        seed=options.seed,
        listeners=options.listeners,
        ratings_per_clip=options.per_item,
        mushra=MushraScreening() if answer == "sliders" else None,
        category=None if answer == "sliders" else varied,
    )


def dump(plan: AnalysisPlan) -> str:
    return tomli_w.dumps(plan.model_dump(exclude_none=True))
