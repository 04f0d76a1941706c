"""The normal interval: an estimate ± a quantile × the spread of its influence function."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import stdtr, stdtrit

from simulator.errors import NotApplicableError
from simulator.intervals.statistic import Statistic, notes_of_ends
from simulator.results import Interval


def standard_error(statistic: Statistic) -> float:
    """Return the standard error by the delta method, over rounds or clusters.

    Raises:
        NotApplicableError: there are fewer than two units.
    """
    if statistic.units < 2:
        raise NotApplicableError(
            f"the normal interval needs two rounds or clusters at least, not {statistic.units}",
            hint="log more, or use an interval for few rounds",
        )
    spread = float(np.std(statistic.influence(), ddof=1))
    return spread / math.sqrt(statistic.units)


def normal(statistic: Statistic, level: float, note: str = "") -> Interval:
    """Return the interval, with Student's quantile: wider where units, say viewers, are few."""
    value = statistic.value()
    reach = float(stdtrit(statistic.units - 1, (1 + level) / 2)) * standard_error(statistic)
    low, high = value - reach, value + reach
    return Interval(
        method="normal", level=level, low=low, high=high, note=notes_of_ends(low, high, note)
    )


def normal_p_value(statistic: Statistic) -> float:
    """Return the two-sided p-value of the hypothesis that the value is 0."""
    value, error = statistic.value(), standard_error(statistic)
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * stdtr(statistic.units - 1, -abs(value) / error))
