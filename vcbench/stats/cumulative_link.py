"""A cumulative-link mixed model: ordered categories, proportional odds, and crossed random intercepts.

``logit P(category <= j) = threshold_j - (effect of the level + sum of the groups' intercepts)``, as R's `ordinal::clmm` has it
(Christensen 2022; Tutz and Hennevogl 1996). The intercepts are integrated out by Laplace's approximation, as there (Pinheiro
and Bates 1995, section 4.2).

With a logistic link the log probability of a category between the cuts ``a`` (above) and ``b`` (below) is
``a - softplus(a) - softplus(b) + log(1 - exp(b - a))``, so that its slope over the predictor is ``F(a) + F(b) - 1`` and its
curvature ``f(a) + f(b)``: always positive, so the mode of the intercepts is found by Newton's method, and the slope of the
approximated likelihood has a short closed form (Kristensen et al. 2016, equation 7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import expit, log_expit, logit

from vcbench.stats.clusters import Codes, Floats

START = 0.5  # standard deviation of an intercept
STEP = 1e-4  # of the numerical second derivatives
NEWTON_STEPS = 50
LONGEST = 3.0  # standard deviations that Newton's step may move an intercept
NEAR = 1e-9  # Newton's step at the mode
ENOUGH = 1e-4  # log likelihood that one more step would gain, at convergence
UNDETERMINED = 50.0  # standard error of log odds, and more, where a level has one category only


@dataclass(frozen=True)
class CumulativeLink:
    """A fit by maximum likelihood.

    Attributes:
        effects: (levels - 1,) log odds of a higher category, against the first level.
        errors: (levels - 1,) their standard errors, from the curvature of the likelihood.
        thresholds: (categories - 1,) ascending.
        deviations: (groups,) standard deviations of the random intercepts.
        log_likelihood: by Laplace's approximation.
        converged: if false, do not rely on the figures.
    """

    effects: Floats
    errors: Floats
    thresholds: Floats
    deviations: Floats
    log_likelihood: float
    converged: bool


def fit(category: Codes, level: Codes, groups: Sequence[Codes]) -> CumulativeLink | None:
    """Fit the model; ``None`` if the answers do not determine it.

    Args:
        category: (n,) of each answer, 0 to the highest; every one occurs.
        level: (n,) of the compared factor, 0 for the one that the others are compared with; every one occurs.
        groups: for each random intercept (n,) codes, from 0.
    """
    likelihood = Likelihood(category, level, groups)
    try:
        found = optimize.minimize(likelihood.slope, likelihood.start(), jac=True, method="BFGS", options={"gtol": 1e-3})
        curvature = cho_factor(_curvature(likelihood, found.x))
    except (LinAlgError, FloatingPointError):
        return None
    covariance = cho_solve(curvature, np.eye(len(found.x)))
    gain = found.jac @ covariance @ found.jac / 2
    thresholds, effects, deviations = likelihood.split(found.x)
    errors = np.sqrt(np.diag(covariance))[len(thresholds) :][: len(effects) - 1]
    converged = bool(gain < ENOUGH and (errors < UNDETERMINED).all())
    return CumulativeLink(effects[1:], errors, thresholds, np.abs(deviations), -float(found.fun), converged)


def _curvature(likelihood: Likelihood, at: Floats) -> Floats:
    """(parameters, parameters) second derivatives, from differences of the slope."""
    steps = STEP * np.eye(len(at))
    rows = [(likelihood.slope(at + one)[1] - likelihood.slope(at - one)[1]) / (2 * STEP) for one in steps]
    return (np.stack(rows) + np.stack(rows).T) / 2


class Likelihood:
    """The negative log likelihood over ``(first threshold, log gaps between thresholds, effects, deviations)``.

    The intercepts are the deviation times a standard normal, so the likelihood is even in a deviation, and zero is no edge.
    """

    def __init__(self, category: Codes, level: Codes, groups: Sequence[Codes]) -> None:
        self._category, self._level = category, level
        self._cuts, self._levels = int(category.max()), int(level.max()) + 1
        sizes = [int(group.max()) + 1 for group in groups]
        self._owner = np.repeat(np.arange(len(sizes)), sizes)
        self._places = np.stack(groups) + np.cumsum([0, *sizes[:-1]])[:, None]
        self._pairs = (self._places[:, None] * sum(sizes) + self._places).reshape(len(sizes) ** 2, -1)
        self._mode = np.zeros(sum(sizes))

    def start(self) -> Floats:
        """Thresholds of the pooled answers, no effects."""
        shares = np.cumsum(np.bincount(self._category))[:-1] / len(self._category)
        thresholds = logit(shares)
        none = np.zeros(self._levels - 1)
        return np.concatenate([thresholds[:1], np.log(np.diff(thresholds)), none, np.full(len(self._places), START)])

    def split(self, parameters: Floats) -> tuple[Floats, Floats, Floats]:
        """(cuts,) thresholds, (levels,) effects with the first level's zero, (groups,) deviations."""
        first, gaps, effects, deviations = np.split(parameters, [1, self._cuts, self._cuts + self._levels - 1])
        return np.cumsum([*first, *np.exp(gaps)]), np.concatenate([[0.0], effects]), deviations

    def slope(self, parameters: Floats) -> tuple[float, Floats]:
        """The negative log likelihood, and its (parameters,) derivatives."""
        thresholds, effects, deviations = self.split(parameters)
        cuts = np.concatenate([[-np.inf], thresholds, [np.inf]])
        own = effects[self._level]
        upper, lower, scale = cuts[self._category + 1] - own, cuts[self._category] - own, deviations[self._owner]
        mode, inner = self._find_mode(upper, lower, scale)
        here = _Answers(upper, lower, self._spread(scale * mode))
        value = float(mode @ mode / 2 + np.log(np.diag(inner[0])).sum() - here.log_probability.sum())

        inverse = cho_solve(inner, np.eye(len(mode)))
        spread = scale[:, None] * inverse * scale
        leverage = spread.ravel()[self._pairs].sum(0)
        turn_above, turn_below = here.turns(leverage)
        pull = inverse @ (scale * self._gather(-turn_above - turn_below))
        moved = self._spread(scale * pull)
        by_upper = here.by_upper + turn_above + moved * here.tall
        by_lower = here.by_lower + turn_below + moved * here.short
        by_effect = -(by_upper + by_lower)

        by_threshold = np.bincount(self._category, by_upper)[:-1] + np.bincount(self._category, by_lower)[1:]
        rest = by_threshold[::-1].cumsum()[::-1]
        own_scale = (self._curvature(here) * scale * inverse).sum(1) + pull * self._gather(here.score)
        by_deviation = np.bincount(self._owner, own_scale + mode * self._gather(by_effect))
        by_level = np.bincount(self._level, by_effect)[1:]
        return value, np.concatenate([rest[:1], rest[1:] * np.diff(thresholds), by_level, by_deviation])

    def _curvature(self, here: _Answers) -> Floats:
        """(intercepts, intercepts) sums of the answers' curvatures."""
        size = len(self._mode)
        every = np.tile(here.tall + here.short, len(self._pairs))
        return np.bincount(self._pairs.ravel(), every, size**2).astype(float).reshape(size, size)

    def _spread(self, values: Floats) -> Floats:
        """(n,) for each answer the sum of its intercepts' values."""
        return np.asarray(values[self._places].sum(0))

    def _gather(self, values: Floats) -> Floats:
        """(intercepts,) for each the sum of its answers' values."""
        return np.bincount(self._places.ravel(), np.tile(values, len(self._places)), len(self._mode)).astype(float)

    def _find_mode(self, upper: Floats, lower: Floats, scale: Floats) -> tuple[Floats, tuple[Floats, bool]]:
        """The likeliest standardised intercepts, and the factor of the curvature there.

        Raises:
            LinAlgError: there is none.
        """
        mode = self._mode
        for _ in range(NEWTON_STEPS):
            here = _Answers(upper, lower, self._spread(scale * mode))
            inner = cho_factor(np.eye(len(mode)) + scale[:, None] * self._curvature(here) * scale)
            step = cho_solve(inner, scale * self._gather(here.score) - mode)
            if np.abs(step).max() < NEAR:
                self._mode = mode
                return mode, inner
            mode = mode + step / max(1.0, np.abs(step).max() / LONGEST)
        raise LinAlgError("Newton's method found no mode.")


class _Answers:
    """The answers' probabilities and derivatives, where the cuts (n,) are shifted by the intercepts (n,)."""

    def __init__(self, upper: Floats, lower: Floats, shift: Floats) -> None:
        self._width = upper - lower
        self._upper, self._lower = upper - shift, lower - shift
        self._above, self._below = expit(self._upper), expit(self._lower)
        self.tall, self.short = self._above * (1 - self._above), self._below * (1 - self._below)
        self.score = self._above + self._below - 1

    @property
    def log_probability(self) -> Floats:
        found: Floats = log_expit(self._upper) + log_expit(-self._lower) + np.log(-np.expm1(-self._width))
        return found

    @property
    def by_upper(self) -> Floats:
        """Slope of the negative log probability over the upper cut."""
        return self._above - 1 - self._narrow

    @property
    def by_lower(self) -> Floats:
        return self._below + self._narrow

    @property
    def _narrow(self) -> Floats:
        with np.errstate(over="ignore"):
            return 1 / np.expm1(self._width)

    def turns(self, leverage: Floats) -> tuple[Floats, Floats]:
        """Slopes of half the log determinant of the curvature over the upper and the lower cut."""
        above = leverage * self.tall * (1 - 2 * self._above) / 2
        return above, leverage * self.short * (1 - 2 * self._below) / 2
