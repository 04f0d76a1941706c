"""DRos: doubly robust with optimistic shrinkage of the weights."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.estimators.dr import corrected
from simulator.estimators.inputs import Inputs, check_parameter
from simulator.terms import Terms


def shrunk(weight: FloatArray, shrinkage: float) -> FloatArray:
    """Return weights (n,) shrunk to λ w / (w² + λ), λ being ``shrinkage``.

    At λ = 0 every weight is 0, weights of 0 among them, of which the formula makes 0 / 0.

    Raises:
        EstimationError: ``shrinkage`` is NaN or negative.
    """
    check_parameter("lambda", shrinkage)
    if shrinkage == 0:
        return np.zeros_like(weight)
    if shrinkage == np.inf:
        return weight
    return np.asarray(weight * (shrinkage / (weight**2 + shrinkage)))


def dros(inputs: Inputs, *, shrinkage: float | None = None) -> Terms:
    """Return terms q̂(xᵢ, π) + ŵᵢ (rᵢ - q̂(xᵢ, aᵢ)) with ŵ = λ w / (w² + λ); their mean estimates.

    λ, the ``shrinkage``, leads from DM at 0 to DR at infinity, which is meant without one. Source:
    Su, Dimakopoulou, Krishnamurthy and Dudík, 2020, "Doubly robust off-policy evaluation with
    shrinkage", the optimistic weights.

    Raises:
        EstimationError: there are no predictions, or ``shrinkage`` is NaN or negative.
    """
    return corrected(inputs, shrunk(inputs.weight, np.inf if shrinkage is None else shrinkage))
