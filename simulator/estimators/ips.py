"""Inverse propensity scoring: what was earned, weighted by how much likelier the target does it."""

from __future__ import annotations

import numpy as np

from simulator.estimators.clipping import clipped
from simulator.estimators.inputs import Inputs
from simulator.terms import Terms, has_overlap


def ips(inputs: Inputs, *, clip: float | None = None) -> Terms:
    """Return terms min(wᵢ, clip) rᵢ, whose mean is the estimate; without ``clip`` wᵢ rᵢ.

    Unbiased without clipping, if the propensities are right and never 0 where the target's
    probability is not. Source: Horvitz and Thompson, 1952; for contextual bandits Dudík, Langford
    and Li, 2011, section 2.

    Raises:
        EstimationError: ``clip`` is NaN or negative.
    """
    weight = clipped(inputs.weight, np.inf if clip is None else clip)
    return Terms(weight * inputs.reward, overlap=has_overlap(weight))
