"""Intervals that hold for any number of rounds: empirical Bernstein and Hoeffding."""

from __future__ import annotations

import math

import numpy as np

from simulator.errors import NotApplicableError
from simulator.intervals.bounds import Bounds, scaled_terms
from simulator.results import Interval
from simulator.terms import Terms


def bernstein(terms: Terms, level: float, bounds: Bounds | None) -> Interval:
    """Return the empirical Bernstein interval (Maurer and Pontil, 2009, theorem 4), both sides.

    Each side errs with half of 1 - level: reach = √(2 V ln(4/α) / n) + 7 ln(4/α) / (3 (n - 1)),
    for terms scaled to [0, 1] with sample variance V.
    """
    scaled, known = scaled_terms(terms, bounds, "bernstein")
    count = len(scaled)
    if count < 2:
        raise NotApplicableError(
            "bernstein needs two rounds at least", hint="log more, or use hoeffding"
        )
    spread = math.log(4 / (1 - level))
    variance = float(np.var(scaled, ddof=1))
    reach = math.sqrt(2 * variance * spread / count) + 7 * spread / (3 * (count - 1))
    return _around("bernstein", level, float(scaled.mean()), reach, known)


def hoeffding(terms: Terms, level: float, bounds: Bounds | None) -> Interval:
    """Return Hoeffding's interval (1963): reach = range × √(ln(2/α) / 2n)."""
    scaled, known = scaled_terms(terms, bounds, "hoeffding")
    if not len(scaled):
        raise NotApplicableError("hoeffding needs a round", hint="log more")
    reach = math.sqrt(math.log(2 / (1 - level)) / (2 * len(scaled)))
    return _around("hoeffding", level, float(scaled.mean()), reach, known)


def _around(method: str, level: float, mean: float, reach: float, known: Bounds) -> Interval:
    low, high = max(0.0, mean - reach), min(1.0, mean + reach)
    return Interval(
        method=method,
        level=level,
        low=known.term_low + known.term_range * low,
        high=known.term_low + known.term_range * high,
        note=known.of_terms(),
    )
