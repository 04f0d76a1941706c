"""Doubly robust: the reward model, put right by what was earned."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.estimators.clipping import clipped
from simulator.estimators.inputs import Inputs, prediction
from simulator.terms import Terms, has_overlap


def dr(inputs: Inputs, *, clip: float | None = None) -> Terms:
    """Return terms q̂(xᵢ, π) + min(wᵢ, clip) (rᵢ - q̂(xᵢ, aᵢ)), whose mean is the estimate.

    Without clipping unbiased if either the propensities or the model are right; the better the
    model, the less variance. Source: Dudík, Langford and Li, 2011, section 3; clipped: Su,
    Dimakopoulou, Krishnamurthy and Dudík, 2020, pessimistic shrinkage.

    Raises:
        EstimationError: there are no predictions, or ``clip`` is NaN or negative.
    """
    return corrected(inputs, clipped(inputs.weight, np.inf if clip is None else clip))


def corrected(inputs: Inputs, weight: FloatArray) -> Terms:
    """Return terms q̂(xᵢ, π) + weightᵢ (rᵢ - q̂(xᵢ, aᵢ)) for weights (n,) however modified.

    Where every round's own weight is 0 nothing puts the model right: that is DM, by another name.

    Raises:
        EstimationError: there are no predictions.
    """
    model = prediction(inputs)
    errors = weight * (inputs.reward - model.predicted)
    return Terms(errors, base=model.expected, overlap=has_overlap(inputs.weight))
