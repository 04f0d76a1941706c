"""Clipped importance weights, which several estimators offer."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.estimators.inputs import check_parameter


def clipped(weight: FloatArray, clip: float) -> FloatArray:
    """Return weights (n,) that are nowhere above ``clip``: min(w, clip).

    Clipping trades variance for a bias that pulls the clipped part of a round towards 0, or towards
    the reward model where there is one. Source: Ionides, 2008, "Truncated importance sampling";
    for policies Bottou et al., 2013, section 4.4.

    Raises:
        EstimationError: ``clip`` is NaN or negative.
    """
    check_parameter("clip", clip)
    return weight if clip == np.inf else np.minimum(weight, clip)
