"""The bootstrap percentile interval (Efron, 1979), of rounds or of clusters.

A self-normalised value is formed anew in each resample: its denominator varies with its numerator,
and most of what the two share cancels. An interval that keeps the denominator of the whole log is
far too wide.
"""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError, NotApplicableError
from simulator.intervals.resampling import resampled_sums
from simulator.intervals.statistic import Statistic, notes_of_ends
from simulator.results import Interval


def bootstrap_values(
    statistic: Statistic, *, resamples: int, seed: int, threads: int = 1
) -> FloatArray:
    """Return (resamples,) values; NaN for a resample in which nothing has weight.

    Raises:
        EstimationError: fewer than one resample.
        NotApplicableError: there are no rounds.
        NoOverlapError: nothing has weight in the log itself.
    """
    if resamples < 1 or threads < 1:
        raise EstimationError(
            f"a bootstrap of {resamples} resamples on {threads} threads cannot be made",
            hint="ask for 1,000 resamples or so, on one thread or more",
        )
    if not statistic.units:
        raise NotApplicableError("a bootstrap needs a round", hint="log more")
    statistic.value()
    sums = resampled_sums(statistic.columns(), resamples=resamples, seed=seed, threads=threads)
    return statistic.values(sums)


def bootstrap(
    statistic: Statistic, level: float, *, resamples: int, seed: int, threads: int, note: str = ""
) -> Interval:
    """Return the interval between the two quantiles of the resampled values."""
    values = bootstrap_values(statistic, resamples=resamples, seed=seed, threads=threads)
    lawful = values[~np.isnan(values)]
    notes = [f"{resamples} resamples", note]
    if len(lawful) < len(values):
        notes.append(f"{len(values) - len(lawful)} of them without weight, left out")
    if not len(lawful):
        raise NotApplicableError(
            "no resample had any weight", hint="log with more explore traffic, or resample more"
        )
    low, high = np.quantile(lawful, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return Interval(
        method="bootstrap", level=level, low=low, high=high, note=notes_of_ends(low, high, *notes)
    )


def bootstrap_p_value(values: FloatArray) -> float:
    """Return the two-sided p-value of the hypothesis that the resampled value is 0."""
    lawful = values[~np.isnan(values)]
    below, above = int((lawful <= 0).sum()), int((lawful >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(lawful) + 1))
