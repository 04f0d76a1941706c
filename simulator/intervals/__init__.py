"""Intervals over an estimator's terms, once for all estimators.

``interval(name, terms, …)`` makes any of :data:`INTERVALS`; ``paired`` compares two policies on the
same rounds; ``sequence_path`` is a confidence sequence as it ran.
"""

from simulator.intervals.betting import SequencePath, sequence_path
from simulator.intervals.bounds import Bounds, doubly_robust_bounds, importance_bounds
from simulator.intervals.registry import (
    INTERVALS,
    IntervalSpec,
    Paired,
    interval,
    interval_named,
    paired,
)
from simulator.intervals.statistic import Statistic, difference

__all__ = [
    "INTERVALS",
    "Bounds",
    "IntervalSpec",
    "Paired",
    "SequencePath",
    "Statistic",
    "difference",
    "doubly_robust_bounds",
    "importance_bounds",
    "interval",
    "interval_named",
    "paired",
    "sequence_path",
]
