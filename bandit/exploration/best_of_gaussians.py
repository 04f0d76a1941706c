"""The probability that one of several independent Gaussians is the greatest, by quadrature.

With F_i the distribution function of candidate i and F their product, the distribution function of
the maximum, P(i is the greatest) = ∫ F d(log F_i). Within a cell of the grid log F is taken to rise
in fixed proportions of its parts log F_i, so that the integral over a cell is exact in F:
ΔF · Δ(log F_i) / Δ(log F). Being a Stieltjes sum it needs no density, so that a point mass is just
a very steep F_i; and the parts of a cell add up to ΔF, so that none of the mass is lost. One step
of Richardson's extrapolation, over every second point, takes away most of what remains.

Each title has a grid of its own, denser where any of its candidates changes: quantiles of all the
candidates together. The error is below :data:`ERROR_MAX`.

Why a table: log F is all that is needed, a linear interpolation is good to 1e-5, and it spares the
serving processes SciPy's 24 MB and the slower log_ndtr.
"""

from __future__ import annotations

from math import erfc, log, sqrt
from typing import Final

import numpy as np

from bandit.types import FloatArray, IndexArray

ERROR_MAX: Final = 3e-3
"""Largest absolute error of a probability; 1.9e-3 was the largest met in a random search."""

TAIL: Final = 5.0
"""Standard deviations past which a tail (3e-7) is left out."""

NARROWEST: Final = 1e-9
"""Least standard deviation, in units of the title's largest; a point mass is taken for so wide."""

FARTHEST: Final = 3 * TAIL
"""A mean further below the best, in the same units, is out of reach of the best's lower tail."""

GRID: Final = 33
"""Points of a title's grid; odd, for every second point to keep both ends."""

BLOCK: Final = 1 << 16
"""Most numbers in a working array: half a megabyte, whatever the page asks."""

STEPS: Final = 128
"""Table entries a standard deviation."""

_QUANTILES: Final = np.concatenate([[-TAIL], np.linspace(-4.0, 4.0, 25), [TAIL]])
_TABLE: Final = np.array(
    [log(0.5 * erfc(-step / STEPS / sqrt(2.0))) for step in range(-round(TAIL * STEPS), 6 * STEPS)]
    + [0.0, 0.0]
)
_SLOPES: Final = np.diff(_TABLE, append=0.0)


def probability_of_best(means: FloatArray, deviations: FloatArray) -> FloatArray:
    """Return (N, K) the probability that each of a title's candidates is the greatest.

    Args:
        means: (N, K); -inf marks padding, which gets 0. Each row has a finite one.
        deviations: (N, K) standard deviations, 0 or more.

    Rows sum to 1 to rounding; each probability is good to :data:`ERROR_MAX`.
    """
    widest = deviations.max(axis=1, keepdims=True)
    unit = np.where(widest > 0, widest, 1.0)
    # Padding, far below all else and a point mass, has a log F of 0 on the whole grid.
    means = np.maximum((means - means.max(axis=1, keepdims=True)) / unit, -FARTHEST)
    deviations = np.maximum(deviations / unit, NARROWEST)
    titles = max(1, BLOCK // (means.shape[1] * GRID))
    result = np.empty_like(means)
    for start in range(0, len(means), titles):
        block = slice(start, start + titles)
        result[block] = _block(means[block], deviations[block])
    return result


def _block(means: FloatArray, deviations: FloatArray) -> FloatArray:
    grid = _grids(means, deviations).T.copy()
    # Titles stand last from here on: NumPy's inner loops then run over many titles at a time.
    centres = means.T.copy()[:, None, :]
    widths = deviations.T.copy()[:, None, :]
    logs = _log_cdf((grid - centres) / widths)
    fine = _integrals(logs)
    coarse = _integrals(logs[:, ::2])
    extrapolated = np.maximum(0.0, fine + (fine - coarse) / 3.0)
    return np.asarray((extrapolated / extrapolated.sum(axis=0)).T)


def _grids(means: FloatArray, deviations: FloatArray) -> FloatArray:
    """Return (N, GRID) points, rising, at even ranks of the candidates' quantiles."""
    points = means[:, :, None] + deviations[:, :, None] * _QUANTILES
    lowest = points[:, :, 0].max(axis=1, keepdims=True)
    highest = points[:, :, -1].max(axis=1, keepdims=True)
    points = np.clip(points.reshape(len(means), -1), lowest, highest)
    points.sort(axis=1)
    first = (points <= lowest).sum(axis=1, keepdims=True) - 1
    last = points.shape[1] - (points >= highest).sum(axis=1, keepdims=True)
    ranks = first + (last - first) * np.linspace(0.0, 1.0, GRID)
    below: IndexArray = np.minimum(ranks.astype(np.intp), points.shape[1] - 2)
    left = np.take_along_axis(points, below, axis=1)
    right = np.take_along_axis(points, below + 1, axis=1)
    return np.asarray(left + (ranks - below) * (right - left))


def _log_cdf(z: FloatArray) -> FloatArray:
    """Return the logarithm of the standard normal distribution function, for z ≥ -TAIL."""
    steps = z * STEPS
    steps += TAIL * STEPS
    np.minimum(steps, len(_TABLE) - 2.0, out=steps)
    # The lowest z may round to just below -TAIL; it is cut to the first entry all the same.
    entries = steps.astype(np.intp)
    steps -= entries
    steps *= _SLOPES.take(entries)
    steps += _TABLE.take(entries)
    return steps


def _integrals(logs: FloatArray) -> FloatArray:
    """Return (K, N) sums of ΔF · Δ(log F_i) / Δ(log F) over the cells, from (K, points, N)."""
    total = logs.sum(axis=0)
    rise = np.diff(total, axis=0)
    mean = np.divide(np.diff(np.exp(total), axis=0), rise, out=np.zeros_like(rise), where=rise > 0)
    parts = np.diff(logs, axis=1)
    parts *= mean
    return np.asarray(parts.sum(axis=1))
