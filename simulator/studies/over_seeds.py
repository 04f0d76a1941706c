"""Means over independent seeds, with Student-t intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from bandit.types import FloatArray
from simulator.results import Interval

METHOD = "student-t"


class Band(NamedTuple):
    """A mean and its interval; scalars or arrays of one shape."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


def band(values: FloatArray, level: float) -> Band:
    """Return the mean over the first axis, of S seeds, and its Student-t interval (Student, 1908).

    One seed alone says nothing of the spread: its interval is the point itself.
    """
    seeds = len(values)
    mean = np.asarray(values.mean(axis=0))
    if seeds < 2:
        return Band(mean, mean, mean)
    error = np.asarray(values.std(axis=0, ddof=1)) / np.sqrt(seeds)
    reach = float(stats.t.ppf((1 + level) / 2, seeds - 1)) * error
    return Band(mean, mean - reach, mean + reach)


def seed_interval(values: FloatArray, level: float) -> Interval:
    """Return the interval of a mean over seeds, shape (S,)."""
    found = band(values, level)
    note = f"{len(values)} seeds" if len(values) > 1 else "one seed: its spread is not known"
    return Interval(
        method=METHOD, level=level, low=float(found.low), high=float(found.high), note=note
    )
