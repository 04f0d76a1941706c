"""Two policies on the same rounds: what one earns more than the other, and whether that is chance.

Rounds that both policies share cancel, so that a difference is known better than either value.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from bandit.types import FloatArray
from simulator.intervals import Bounds
from simulator.studies.cases import Answer
from simulator.studies.splitting import Clusters
from simulator.terms import Terms

POWER = 0.8
"""With which a difference is to be found, where it is said how many rounds that would take."""


def difference(first: Answer, second: Answer) -> Answer:
    """Return terms whose value is the second's less the first's, of one estimator.

    Of self-normalised estimators it is the sum of two ratios, the first's with its sign turned, so
    that whatever resamples rounds forms both anew.
    """
    base = _less(first.terms.base, second.terms.base)
    minus, plus = first.terms, second.terms
    if minus.denominator is None or plus.denominator is None:
        terms = Terms(_by_round(plus) - _by_round(minus), None, base)
    else:
        numerator = np.column_stack([plus.numerator, -minus.numerator])
        terms = Terms(numerator, np.column_stack([plus.denominator, minus.denominator]), base)
    return Answer(terms, {}, _bounds(first.bounds, second.bounds))


def standard_error(terms: Terms, cluster: Clusters | None) -> float:
    """Return the standard error of a value, by its influence; rounds of a cluster hang together.

    Clusters: Liang and Zeger, 1986, with the correction G / (G - 1) for G of them.
    """
    centred: FloatArray = terms.influence() - terms.value()
    if cluster is not None:
        _, codes = np.unique(cluster, return_inverse=True)
        centred = np.asarray(np.bincount(codes, weights=centred), np.float64)
    groups = len(centred)
    if groups < 2:
        return math.inf
    return math.sqrt(float((centred**2).sum()) * groups / (groups - 1)) / len(terms)


def p_value(value: float, error: float) -> float:
    """Return the two-sided p-value of the test that a value is 0."""
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stats.norm.sf(abs(value) / error))


def verdict(
    first: str, second: str, value: float, error: float, p: float, level: float, rounds: int
) -> str:
    """Say in plain words what a difference of second less first means."""
    if p < 1 - level:
        better, worse = (second, first) if value > 0 else (first, second)
        return (
            f"{better} earns more than {worse}: by {abs(value):.4g} a round on average; such a "
            f"difference by chance alone has the probability {p:.2g}"
        )
    if value == 0:
        return f"{first} and {second} earn the same on these rounds: they choose alike"
    needed = _rounds_needed(value, error, level, rounds)
    return (
        f"no difference between {first} and {second} can be told: {abs(value):.4g} a round may "
        f"well be chance (p = {p:.2g}); a difference of this size takes about {needed} rounds like "
        "these to be found"
    )


def _rounds_needed(value: float, error: float, level: float, rounds: int) -> str:
    if not math.isfinite(error):
        return "many more"
    reach = float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(POWER))
    return f"{math.ceil(rounds * (reach * error / value) ** 2):,}"


def _less(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
    if first is None or second is None:
        return None
    return second - first


def _by_round(terms: Terms) -> FloatArray:
    return terms.numerator if terms.numerator.ndim == 1 else terms.numerator.sum(axis=1)


def _bounds(first: Bounds | None, second: Bounds | None) -> Bounds | None:
    if first is None or second is None:
        return None
    return second._replace(
        term_low=second.term_low - first.term_high, term_high=second.term_high - first.term_low
    )
