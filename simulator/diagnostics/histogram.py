"""The histogram of importance weights, which span orders of magnitude."""

from __future__ import annotations

from typing import Final

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError
from simulator.results import Histogram

SPAN_LINEAR_MAX: Final = 50.0
"""Positive weights that span more than this factor get bins that widen geometrically."""


def weight_histogram(weight: FloatArray, bins: int = 30) -> Histogram:
    """Return counts by bin; the first bin begins at 0 and the last holds the largest weight.

    Raises:
        EstimationError: there are no weights, one is not finite or negative, or there are fewer
            than two bins.
    """
    if not len(weight) or not np.isfinite(weight).all() or weight.min() < 0 or bins < 2:
        raise EstimationError(
            f"{len(weight)} weights cannot be put into {bins} bins",
            hint="give weights that are finite and not negative, and two bins at least",
        )
    largest = float(weight.max())
    positive = weight[weight > 0]
    if largest == 0:
        edges = np.linspace(0.0, 1.0, bins + 1)
    elif largest / float(positive.min()) <= SPAN_LINEAR_MAX:
        edges = np.linspace(0.0, largest, bins + 1)
    else:
        # the lightest thousandth shares the first bin with zeros: one tiny weight stretches nothing
        lightest = min(float(np.quantile(positive, 1e-3)), largest / SPAN_LINEAR_MAX)
        edges = np.concatenate(([0.0], np.geomspace(lightest, largest, bins)))
    edges[-1] = largest or 1.0
    counts, _ = np.histogram(weight, bins=edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())
