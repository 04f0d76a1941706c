"""SLOPE: the least variable estimate that still agrees with the less biased ones.

Candidates are sorted from the widest confidence to the narrowest, that is from little bias to
much. Going along, estimates agree as long as their differences could be chance; the last that
agrees with all before it is chosen, and the first that does not ends the search.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import stdtrit

from bandit.types import BoolArray, FloatArray, IndexArray
from simulator.tuning.evidence import Evidence


def widths(evidence: Evidence, delta: float) -> FloatArray:
    """Return (C,) the one-sided widths of confidence 1 - ``delta``, after Student's t.

    Source: Thomas, Theocharous and Ghavamzadeh, 2015, "High confidence policy improvement",
    section 2.4.
    """
    freedom = evidence.rounds - 1
    quantile = float(stdtrit(freedom, 1 - delta))
    return np.asarray(quantile * np.sqrt(evidence.deviations / evidence.rounds / freedom))


def slope(estimates: FloatArray, widths: FloatArray) -> int:
    """Return which of C estimates is chosen, by intervals of twice the width that all meet.

    Source: Su, Srinath and Krishnamurthy, 2020, "Adaptive estimator selection for off-policy
    evaluation", section 3.
    """
    order = _widest_first(widths)
    # the intervals so far have a point in common while the greatest low is below the least high
    lows = np.maximum.accumulate((estimates - 2 * widths)[order])
    highs = np.minimum.accumulate((estimates + 2 * widths)[order])
    return _last_before_first(order, np.asarray(lows > highs))


def slope_improved(estimates: FloatArray, widths: FloatArray) -> int:
    """Return which of C estimates is chosen by SLOPE++, whose comparison is tighter.

    Estimate i agrees with an earlier j if \\|θᵢ - θⱼ\\| ≤ widthᵢ + (√6 - 1) widthⱼ. Source: Tucker
    and Lee, 2021, "Improved estimator selection for off-policy evaluation".
    """
    order = _widest_first(widths)
    estimate, width = estimates[order], widths[order]
    apart = np.abs(estimate[:, None] - estimate[None, :])
    allowed = width[:, None] + (sqrt(6) - 1) * width[None, :]
    disagrees = np.asarray(np.tril(apart > allowed, -1).any(axis=1))
    return _last_before_first(order, disagrees)


def _widest_first(widths: FloatArray) -> IndexArray:
    return np.argsort(-widths, kind="stable")


def _last_before_first(order: IndexArray, wrong: BoolArray) -> int:
    """Return the last candidate before the first wrong one; the first is never wrong."""
    end = int(np.argmax(wrong)) if wrong.any() else len(order)
    return int(order[end - 1])
