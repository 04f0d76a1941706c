"""The mean squared error of each candidate, estimated: variance plus the square of a bias."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from bandit.types import FloatArray
from simulator.tuning.evidence import Evidence


def direct_bias(evidence: Evidence) -> FloatArray:
    """Return (C,) the bias that modified weights bring: \\|mean of (w - ŵ) (r - q̂)\\|."""
    return np.abs(evidence.gap) / evidence.rounds


def bias_bound(evidence: Evidence, delta: float, residual_max: float) -> FloatArray:
    """Return (C,) what the bias exceeds with a probability of at most ``delta``.

    The direct bias plus Bernstein's deviation, for residuals r - q̂ of at most ``residual_max`` in
    size. Source: Su, Dimakopoulou, Krishnamurthy and Dudík, 2020, "Doubly robust off-policy
    evaluation with shrinkage", on model selection.
    """
    evidence_needed = log(2 / delta)
    mean_square = evidence.weight_squares / evidence.rounds
    deviation = sqrt(2 * mean_square * evidence_needed / evidence.rounds)
    deviation += 2 * evidence.weight_max * evidence_needed / (3 * evidence.rounds)
    return np.asarray(direct_bias(evidence) + residual_max * deviation)


def squared_errors(evidence: Evidence, bias: FloatArray) -> FloatArray:
    """Return (C,) the estimated mean squared errors: variance of the mean plus bias²."""
    variance = evidence.deviations / evidence.rounds**2
    return np.asarray(variance + bias**2)
