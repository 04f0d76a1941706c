"""SWITCH-DR: doubly robust where weights are small, the reward model alone where they are not."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.estimators.dr import corrected
from simulator.estimators.inputs import Inputs, check_parameter
from simulator.terms import Terms

THRESHOLD_TOLERANCE = 1e-6
"""Relative. Why: where a target is the logging policy, weights are 1 up to rounding (1e-7 where
propensities were stored in single precision), and a threshold of 1 must not drop half of them."""


def switched(weight: FloatArray, threshold: float) -> FloatArray:
    """Return weights (n,) with those above ``threshold`` put to 0.

    Raises:
        EstimationError: ``threshold`` is NaN or negative.
    """
    check_parameter("threshold", threshold)
    return np.where(weight <= threshold * (1 + THRESHOLD_TOLERANCE), weight, 0.0)


def switch_dr(inputs: Inputs, *, threshold: float | None = None) -> Terms:
    """Return terms q̂(xᵢ, π) + wᵢ 1{wᵢ ≤ threshold} (rᵢ - q̂(xᵢ, aᵢ)), whose mean is the estimate.

    Without a threshold DR, at 0 DM. The comparison has a tolerance: see ``THRESHOLD_TOLERANCE``.
    Source: Wang, Agarwal and Dudík, 2017, "Optimal and adaptive off-policy evaluation in contextual
    bandits", the variant with DR below the threshold.

    Raises:
        EstimationError: there are no predictions, or ``threshold`` is NaN or negative.
    """
    return corrected(inputs, switched(inputs.weight, np.inf if threshold is None else threshold))
