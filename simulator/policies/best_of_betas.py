"""The probability that each of several Beta draws is the greatest.

With F the product of the distribution functions, P(i is best) = ∫ F d(log F_i). Over a cell of the
grid this is taken as ΔF · Δ(log F_i) / Δ(log F), which is exact where F_i is a power of F; the
cells lie between quantiles of all draws, so that no belief is too narrow to be seen.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betainc, betaincinv, ndtr

from bandit.types import BoolArray, FloatArray

_RANKS: Final = ndtr(np.linspace(-6.0, 6.0, 61))
_LEAST: Final = 1e-300


def probability_of_best(
    successes: FloatArray, failures: FloatArray, eligible: BoolArray
) -> FloatArray:
    """Return (n, K) the probability that each eligible draw is the best, 0 for others.

    All arguments have the shape (n, K); equal rows are worked out once.
    """
    keyed = np.where(eligible, successes, 0.0), np.where(eligible, failures, 0.0)
    distinct, inverse = np.unique(np.concatenate(keyed, axis=1), axis=0, return_inverse=True)
    width = successes.shape[1]
    found = np.zeros((len(distinct), width))
    for row, beliefs in enumerate(distinct):
        there = beliefs[:width] > 0
        found[row, there] = _of_one(beliefs[:width][there], beliefs[width:][there])
    return np.asarray(found[inverse.reshape(-1)])


def _of_one(successes: FloatArray, failures: FloatArray) -> FloatArray:
    """Return (K,) for one set of beliefs."""
    grid = np.unique(betaincinv(successes[:, None], failures[:, None], _RANKS[None]))
    logs = np.log(np.maximum(betainc(successes[:, None], failures[:, None], grid[None]), _LEAST))
    total = logs.sum(axis=0)
    rise = np.diff(total)
    mean = np.divide(np.diff(np.exp(total)), rise, out=np.zeros_like(rise), where=rise > 0)
    probability = (np.diff(logs, axis=1) * mean).sum(axis=1)
    return np.asarray(probability / probability.sum())
