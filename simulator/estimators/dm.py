"""The direct method: believe the reward model."""

from __future__ import annotations

from simulator.estimators.inputs import Inputs, prediction
from simulator.terms import Terms


def dm(inputs: Inputs) -> Terms:
    """Return terms q̂(xᵢ, π) = Σₐ π(a | xᵢ) q̂(xᵢ, a), whose mean is the estimate.

    As biased as the model, whatever the amount of data; an interval around it tells nothing of
    that bias. Source: Dudík, Langford and Li, 2011, section 2.

    Raises:
        EstimationError: there are no predictions.
    """
    return Terms(prediction(inputs).expected)
