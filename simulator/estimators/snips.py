"""Self-normalised inverse propensity scoring."""

from __future__ import annotations

from simulator.estimators.inputs import Inputs
from simulator.terms import Terms


def snips(inputs: Inputs) -> Terms:
    """Return terms for Σ wᵢ rᵢ / Σ wᵢ: a mean of rewards, weighted by wᵢ.

    Biased by O(1/n), consistent, always within the range of the rewards, and unmoved when all
    propensities are wrong by one factor. Source: Hájek, 1971; for policies Swaminathan and
    Joachims, 2015, "The self-normalized estimator for counterfactual learning".

    Raises:
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights are 0.
    """
    return Terms(inputs.weight * inputs.reward, denominator=inputs.weight)
