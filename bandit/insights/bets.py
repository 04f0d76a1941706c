"""Ranges that hold at all times at once, from sums alone.

A range that is looked at again and again must not miss its target at any of the looks, or somebody
who waits will see it miss. Each end of a range here is where one of a fixed set of bets against all
that lies beyond would have multiplied its stake so much that, by Ville's inequality (1939), this
happens with a small chance at whatever time. The set's bets share the chance evenly, which is what
a mixture over them is at least worth, and makes every end a closed formula.

* :func:`reach`, for sums of values of bounded width: with values of at least -1 after a prediction
  was taken off, exp(bet · sum - psi(bet) · sum of squares), psi(bet) = -log(1 - bet) - bet, is a
  nonnegative supermartingale (Fan, Grama and Liu 2015; Howard, Ramdas, McAuliffe and Sekhon 2021,
  theorem 4): an empirical-Bernstein range, as narrow as the values vary little.
* :func:`fraction_range`, for values in [0, 1]: their moment generating function is at most that of
  a coin with their mean (Hoeffding 1963), and the logarithm of that is concave in the mean, so only
  the sum and the number of values are needed.

Both cover the mean of the values' expectations, each given all that came before. These may change
at any time: what a learning system earns does. A mean a display is a ratio of two such means,
:mod:`bandit.insights.means`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_COUNT: Final = 12
BETS: Final = 0.75 * 2.0 ** -np.arange(_COUNT)
"""Each half the one before: some bet is near the best one up to sums of squares of 1e8."""
COSTS: Final = -np.log1p(-BETS) - BETS
"""What a bet loses for each unit of the sum of squares."""
_COIN_BETS: Final = 4.0 * 2.0 ** -np.arange(_COUNT)

Numbers = NDArray[np.float64]


class Ends(NamedTuple):
    """The two ends of ranges."""

    low: Numbers
    high: Numbers


def toll(error: float) -> float:
    """Return the logarithm that a single bet's stake must reach, its share of ``error`` given."""
    return float(np.log(_COUNT / error))


def reach(squares: Numbers | float, error: float) -> Numbers:
    """Return how far a sum of unpredicted parts ever gets above its expectation.

    Args:
        squares: sums of the squared parts, each part at least -1; any shape.
        error: the chance that it ever gets further.
    """
    squares = np.asarray(squares, dtype=np.float64)
    return np.asarray(np.min((squares[..., None] * COSTS + toll(error)) / BETS, axis=-1))


def fraction_range(total: Numbers | float, count: Numbers | float, error: float) -> Ends:
    """Return ranges of the mean of values in [0, 1].

    Args:
        total: sums of the values; any shape.
        count: how many values, at least one; of the same shape.
        error: the chance that either end is ever wrong.
    """
    total = np.asarray(total, dtype=np.float64)[..., None]
    count = np.asarray(count, dtype=np.float64)[..., None]
    stake = toll(error / 2)
    lows = np.expm1((_COIN_BETS * total - stake) / count) / np.expm1(_COIN_BETS)
    highs = np.expm1((-_COIN_BETS * total - stake) / count) / np.expm1(-_COIN_BETS)
    return Ends(np.maximum(lows.max(axis=-1), 0.0), np.minimum(highs.min(axis=-1), 1.0))
