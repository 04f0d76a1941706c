"""SGDR: doubly robust with sub-Gaussian weights."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.estimators.dr import corrected
from simulator.estimators.inputs import Inputs, check_parameter
from simulator.terms import Terms


def subgaussian(weight: FloatArray, correction: float) -> FloatArray:
    """Return weights (n,) corrected to w / (1 - λ + λ w), λ being ``correction``; below 1 / λ.

    A weight of 0 stays 0, at λ = 1 too, where the formula makes 0 / 0 of it.

    Raises:
        EstimationError: ``correction`` is NaN or outside [0, 1].
    """
    check_parameter("lambda", correction, high=1.0)
    divisor = 1 - correction + correction * weight
    return np.divide(weight, divisor, out=np.zeros_like(weight), where=weight > 0)


def sgdr(inputs: Inputs, *, correction: float | None = None) -> Terms:
    """Return terms q̂(xᵢ, π) + ŵᵢ (rᵢ - q̂(xᵢ, aᵢ)) with ŵ = w / (1 - λ + λ w); their mean estimates.

    λ, the ``correction``, leads from DR at 0, which is meant without one, to weights of 1 at 1.
    The weights are the power mean of w and 1 with exponent -1. Source: Metelli, Russo and
    Restelli, 2021, "Subgaussian and differentiable importance sampling for off-policy evaluation
    and learning".

    Raises:
        EstimationError: there are no predictions, or ``correction`` is NaN or outside [0, 1].
    """
    return corrected(inputs, subgaussian(inputs.weight, 0.0 if correction is None else correction))
