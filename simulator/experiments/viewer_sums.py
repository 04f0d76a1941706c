"""Estimates of a log that passes by: its terms summed up by viewer, whatever its length.

Sums of different parts of a log add up; of all of them an interval follows that takes a viewer's
rounds together.
"""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.intervals.statistic import ClusterArray, Ratio, Statistic
from simulator.terms import Terms


def sums_by_viewer(terms: Terms, viewer: ClusterArray, viewers: int) -> FloatArray:
    """Return (4, viewers): sums of plain terms, of numerators, of denominators, and rounds.

    ``viewer`` is (n,), from 0 to ``viewers`` - 1. Terms without a denominator are plain; of others
    the base is.
    """
    nothing = np.zeros(len(terms))
    if terms.denominator is None:
        columns = [terms.influence(), nothing, nothing]
    else:
        base = nothing if terms.base is None else terms.base
        columns = [base, terms.numerator, terms.denominator]
    columns.append(np.ones(len(terms)))
    return np.stack([np.bincount(viewer, column, viewers) for column in columns])


def statistic(sums: FloatArray) -> Statistic:
    """Return the estimate of all rounds, by viewers, from (4, viewers) sums."""
    plain, numerator, denominator, rounds = sums
    ratios = (Ratio(numerator, denominator),) if denominator.any() else ()
    return Statistic(len(rounds), plain, ratios, rounds)
