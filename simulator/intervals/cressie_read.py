"""Empirical likelihood with a quadratic (Cressie–Read) divergence, and the weights' mean known.

After Karampatziakis, Langford and Mineiro (2020), "Empirical Likelihood for Contextual Bandits".
Among all reweightings q of the rounds that are not much less likely than the log itself, the
interval holds the lowest and the highest value Σ q x. What makes it tighter than a plain interval:
importance weights average 1 whatever the policies, so that q must keep Σ q w = 1, which acts as a
control variate. What keeps it honest with few rounds: one more point is added, the worst that
could have occurred but was not seen, a weight of 0 or of the true maximum with the worst reward.

With N = n + 1 points, q = (1 + ε) / N, Σ ε = 0, and the divergence ½ Σ ε² bounded, the optimum is
in closed form, by the part of x that is orthogonal to 1 and w:

    low = x̄ + (1 - w̄) S_wx / S_ww - √((c + d) / N - (1 - w̄)² / S_ww) · √(S_xx - S_wx² / S_ww)

where c is the F(1, n - 1) quantile and d = N (1 - w̄)² / S_ww is what the constraint costs at least.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from bandit.types import FloatArray
from simulator.errors import NoOverlapError, NotApplicableError
from simulator.intervals.bounds import TOLERANCE, Bounds, required
from simulator.results import Interval
from simulator.terms import Terms

METHOD = "cressie-read"
MEAN_WEIGHT_Z_MAX = 5.0
"""Weights whose mean is further from 1 than so many standard errors are no importance weights."""
UNBOUNDED_SPAN = 1e4
"""Where no largest weight is known, weights up to so many times the largest seen are tried."""
UNBOUNDED_POINTS = 25


class _Point(NamedTuple):
    """The point added: a weight, and the term it would have."""

    weight: float
    term: float


class _Spread(NamedTuple):
    """Means and (co)variances over the N points."""

    weight: float
    term: float
    weight_weight: float
    weight_term: float
    term_term: float

    def cost(self) -> float:
        """Return the least divergence at which the weights average 1, times 2 / N."""
        return (1 - self.weight) ** 2 / self.weight_weight

    def low(self, budget: float) -> float | None:
        """Return the lowest value within a budget for the mean of ε²; None: out of reach."""
        left = budget - self.cost()
        if left < -TOLERANCE * budget:
            return None
        slope = self.weight_term / self.weight_weight
        apart = max(0.0, self.term_term - slope * self.weight_term)
        return self.term + (1 - self.weight) * slope - math.sqrt(max(0.0, left) * apart)


def cressie_read(terms: Terms, level: float, bounds: Bounds | None) -> Interval:
    """Return the interval; with a denominator, the weights' mean of 1 is made use of.

    Raises:
        NotApplicableError: there is no range of rewards, a weight or term lies outside what was
            said to be possible, the denominators do not average 1 (clipped weights, replay) or are
            several a round, or there are fewer than two rounds.
        NoOverlapError: no round has weight.
    """
    known = required(bounds, METHOD)
    if len(terms) < 2:
        raise NotApplicableError(f"{METHOD} needs two rounds at least", hint="log more")
    quantile = float(stdtrit(len(terms) - 1, (1 + level) / 2)) ** 2
    if terms.denominator is None:
        low, high, note = _of_mean(terms.influence(), quantile, known)
    elif terms.denominator.ndim > 1:
        raise NotApplicableError(
            f"{METHOD} knows the mean of one weight a round; rankings normalised position by "
            "position have one a position",
            hint="use normal or bootstrap, or snsips",
        )
    else:
        term = terms.numerator if terms.base is None else terms.base + terms.numerator
        _check_weights(terms.denominator, known)
        modelled = terms.base is not None
        if known.weight_max is None and modelled:
            raise NotApplicableError(
                f"{METHOD} with a reward model needs the largest weight possible",
                hint="give it, or use normal or bootstrap",
            )
        weight = terms.denominator
        low = _low(term, weight, quantile, _low_points(weight, known, modelled), known)
        flipped = known._replace(reward_low=-known.reward_high, reward_high=-known.reward_low)
        flipped = flipped._replace(term_low=-known.term_high, term_high=-known.term_low)
        high = -_low(-term, weight, quantile, _low_points(weight, flipped, modelled), flipped)
        note = known.of_weights()
    low, high = max(low, known.reward_low), min(high, known.reward_high)
    return Interval(method=METHOD, level=level, low=low, high=high, note=note)


def _of_mean(term: FloatArray, quantile: float, known: Bounds) -> tuple[float, float, str]:
    """Without weights: the likelihood of a mean, with the worst term possible as one more point."""
    slack = TOLERANCE * known.term_range
    if term.min() < known.term_low - slack or term.max() > known.term_high + slack:
        raise NotApplicableError(
            f"{METHOD}: terms from {term.min():g} to {term.max():g} were seen, outside the range "
            f"given, {known.term_low:g} to {known.term_high:g}",
            hint="give the true range: the largest weight that could occur, times the rewards'",
        )
    ends = []
    for worst, sign in ((known.term_low, -1.0), (known.term_high, 1.0)):
        points = np.append(term, worst)
        reach = math.sqrt(quantile / len(points)) * float(points.std())
        ends.append(float(points.mean()) + sign * reach)
    return ends[0], ends[1], known.of_terms()


def _low_points(weight: FloatArray, known: Bounds, modelled: bool) -> list[_Point]:
    """Return the points that may be added; where no largest weight is known, all up to unbounded.

    The published choice is the ends, 0 and the true maximum. The end of an infinite weight alone
    would be no worst case: weights in between can be worse.
    """
    lightest = known.reward_low if modelled else 0.0
    if known.weight_max is None:
        heavier = float(weight.max()) * np.geomspace(1.0, UNBOUNDED_SPAN, UNBOUNDED_POINTS)
        heavy = [_Point(weight, weight * known.reward_low) for weight in heavier.tolist()]
        return [_Point(0.0, lightest), *heavy]
    heaviest = known.term_low if modelled else known.weight_max * known.reward_low
    return [_Point(0.0, lightest), _Point(known.weight_max, heaviest)]


def _low(
    term: FloatArray, weight: FloatArray, quantile: float, added: list[_Point], known: Bounds
) -> float:
    spreads = [spread for point in added if (spread := _spread(term, weight, point)) is not None]
    budget = quantile / (len(term) + 1) + min((spread.cost() for spread in spreads), default=0.0)
    found = [low for spread in spreads if (low := spread.low(budget)) is not None]
    return min(found, default=known.reward_low)


def _spread(term: FloatArray, weight: FloatArray, point: _Point) -> _Spread | None:
    """Return the spread with a point added; None where the weights are all alike."""
    count = len(term)
    mean_weight, mean_term = float(weight.mean()), float(term.mean())
    apart_weight, apart_term = weight - mean_weight, term - mean_term
    # one more point moves the means by 1/N of its distance, and adds n/N of its products
    share = 1 / (count + 1)
    to_weight, to_term = point.weight - mean_weight, point.term - mean_term

    def product(one: FloatArray, other: FloatArray, added: float) -> float:
        return share * (float(np.einsum("i,i->", one, other)) + count * share * added)

    weights = product(apart_weight, apart_weight, to_weight * to_weight)
    if weights <= 0:
        return None
    return _Spread(
        mean_weight + share * to_weight,
        mean_term + share * to_term,
        weights,
        product(apart_weight, apart_term, to_weight * to_term),
        product(apart_term, apart_term, to_term * to_term),
    )


def _check_weights(weight: FloatArray, known: Bounds) -> None:
    largest = float(weight.max())
    if largest == 0:
        raise NoOverlapError(
            f"none of the {len(weight)} rounds has weight under the target policy",
            hint="log with a policy that tries what the target chooses (more explore traffic)",
        )
    if known.weight_max is not None and largest > known.weight_max * (1 + TOLERANCE):
        raise NotApplicableError(
            f"{METHOD}: a weight of {largest:g} was seen, above the {known.weight_max:g} said to "
            "be the largest possible",
            hint="give the target's largest probability over the smallest logged propensity",
        )
    # weights up to M with mean 1 vary by M - 1 at most, which rare ones not seen do not show
    heaviest = largest if known.weight_max is None else known.weight_max
    variance = max(float(weight.var()), heaviest - 1, 0.0)
    mean = float(weight.mean())
    if abs(mean - 1) > MEAN_WEIGHT_Z_MAX * math.sqrt(variance / len(weight)) + TOLERANCE:
        raise NotApplicableError(
            f"{METHOD} relies on weights that average 1; these average {mean:.4g}",
            hint="use it with importance weights that are not clipped (not with replay), and look "
            "at the propensities' calibration",
        )
