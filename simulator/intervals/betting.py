"""An anytime-valid confidence sequence for a bounded mean, by betting.

After Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting",
the hedged capital process with predictable plug-in bets. For terms x in [0, 1], one gambler bets
that the mean is above m, another that it is below:

    K⁺ₜ(m) = Π (1 + min(λᵢ, ½/m) (xᵢ - m)),   K⁻ₜ(m) = Π (1 - min(λᵢ, ½/(1-m)) (xᵢ - m))
    λᵢ = √(2 ln(2/α) / (σ̂²ᵢ₋₁ i ln(1 + i)))

Were m the mean, neither would ever reach 2/α with probability above α/2 (Ville's inequality), so
that all m at which one did are excluded, at whatever moment one looks, and for good.

Each factor of K⁺ falls as m grows, so what K⁺ excludes is all below one number: the end is found
by a root finder in about a dozen passes over the terms, O(n) each, and the whole running path by
the first round at which each of G candidate means is excluded, O(n · G) time and O(n) memory.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from bandit.types import FloatArray
from simulator.errors import NotApplicableError
from simulator.intervals.bounds import Bounds, scaled_terms
from simulator.results import Interval
from simulator.terms import Terms

METHOD = "sequence"
BET_MAX = 0.5
"""Largest share of the capital that one round can cost."""
GRID = 96
"""Candidate means a side for a running path."""
ROOT_TOLERANCE = 1e-12


class SequencePath(NamedTuple):
    """A confidence sequence's running ends; each holds for all rounds at once."""

    rounds: npt.NDArray[np.int64]
    """Shape (n,): 1 to n."""
    low: FloatArray
    """Shape (n,), never falling."""
    high: FloatArray
    """Shape (n,), never rising."""


def sequence(terms: Terms, level: float, bounds: Bounds | None) -> Interval:
    """Return where the sequence stands after the last round.

    With a chance of at most 1 - level, or where the mean drifts, the ends cross and no mean is
    left; the note says so, and the interval spans what lies between.

    Raises:
        NotApplicableError: self-normalised terms, no true range, or no rounds.
    """
    scaled, known = _scaled(terms, bounds)
    alpha = 1 - level
    low, high = _lowest(scaled, alpha), 1 - _lowest(1 - scaled, alpha)
    note = f"holds at every moment at once; {known.of_terms()}"
    if low > high:
        low, high = high, low
        note = "every mean was excluded at some moment: the mean changed as rounds went by; " + note
    return Interval(
        method=METHOD,
        level=level,
        low=known.term_low + known.term_range * low,
        high=known.term_low + known.term_range * high,
        note=note,
    )


def sequence_path(
    terms: Terms, *, bounds: Bounds | None, level: float = 0.95, grid: int = GRID
) -> SequencePath:
    """Return the sequence after each round; its last entry is :func:`sequence`'s interval.

    Between candidate means the ends are rounded outwards. Where they cross, no mean is left.

    Raises:
        NotApplicableError: self-normalised terms, no true range, or no rounds.
    """
    scaled, known = _scaled(terms, bounds)
    alpha = 1 - level
    low, high = _path(scaled, alpha, grid), 1 - _path(1 - scaled, alpha, grid)
    return SequencePath(
        np.arange(1, len(scaled) + 1),
        known.term_low + known.term_range * low,
        known.term_low + known.term_range * high,
    )


def _scaled(terms: Terms, bounds: Bounds | None) -> tuple[FloatArray, Bounds]:
    scaled, known = scaled_terms(terms, bounds, METHOD)
    if not len(scaled):
        raise NotApplicableError("a sequence needs a round", hint="log more")
    return scaled, known


def _bets(scaled: FloatArray, alpha: float) -> FloatArray:
    """Return (n,) bets; the i-th knows the first i - 1 terms, and begins from a coin's spread."""
    rounds = np.arange(1, len(scaled) + 1)
    mean = (0.5 + np.cumsum(scaled)) / (rounds + 1)
    variance = (0.25 + np.cumsum((scaled - mean) ** 2)) / (rounds + 1)
    before = np.concatenate(([0.25], variance[:-1]))
    return np.asarray(np.sqrt(2 * math.log(2 / alpha) / (before * rounds * np.log1p(rounds))))


def _log_capital(scaled: FloatArray, bets: FloatArray, mean: float) -> FloatArray:
    """Return (n,) the log of the capital of betting that the true mean is above ``mean``."""
    stakes = np.minimum(bets, BET_MAX / mean) if mean > 0 else bets
    return np.cumsum(np.log1p(stakes * (scaled - mean)))


def _lowest(scaled: FloatArray, alpha: float) -> float:
    """Return the least mean that was never excluded from below."""
    bets, enough = _bets(scaled, alpha), math.log(2 / alpha)

    def excess(mean: float) -> float:
        return float(_log_capital(scaled, bets, mean).max()) - enough

    if excess(0.0) <= 0:
        return 0.0
    if excess(1.0) > 0:
        return 1.0
    return max(0.0, float(brentq(excess, 0.0, 1.0, xtol=ROOT_TOLERANCE)) - 2 * ROOT_TOLERANCE)


def _path(scaled: FloatArray, alpha: float, grid: int) -> FloatArray:
    last = _lowest(scaled, alpha)
    low = np.zeros(len(scaled))
    if last == 0:
        return low
    bets, enough = _bets(scaled, alpha), math.log(2 / alpha)
    for mean in _candidates(last, grid):
        capital = _log_capital(scaled, bets, float(mean))
        first = int(np.argmax(capital >= enough))
        if capital[first] >= enough:
            low[first] = max(low[first], mean)
    return np.maximum.accumulate(low)


def _candidates(last: float, grid: int) -> FloatArray:
    """Return means up to the last end: evenly from 0, and ever closer to the end."""
    half = grid // 2
    even = np.linspace(0.0, 1.0, half, endpoint=False)[1:]
    close = 1 - np.geomspace(1 / half, 1e-3, grid - half)
    return np.asarray(last * np.concatenate((even, close, [1.0])))
