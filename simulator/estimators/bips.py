"""Balanced inverse propensity scoring: weights that a classifier tells, for logs of any kind."""

from __future__ import annotations

import numpy as np

from simulator.estimators.clipping import clipped
from simulator.estimators.inputs import Inputs
from simulator.terms import Terms


def bips(inputs: Inputs, *, clip: float | None = None) -> Terms:
    """Return terms for Σ ŵᵢ rᵢ / Σ ŵᵢ, with ŵ = min(w, clip) of weights from a classifier.

    ``inputs.weight`` holds the classifier's odds that a context and action come from the target
    rather than from the log. They are right up to a factor at best, so the mean is normalised.
    Source: Sondhi, Arbour and Dimmery, 2020, "Balanced off-policy evaluation in general action
    spaces".

    Raises:
        EstimationError: ``clip`` is NaN or negative.
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights are 0.
    """
    weight = clipped(inputs.weight, np.inf if clip is None else clip)
    return Terms(weight * inputs.reward, denominator=weight)
