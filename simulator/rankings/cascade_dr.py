"""The doubly robust estimator under the cascade assumption."""

from __future__ import annotations

import numpy as np

from simulator.rankings.inputs import RankingInputs, needed
from simulator.terms import Terms, has_overlap

_HINT = "fit a reward model first: simulator.reward_models.cross_fit_rankings"


def cascade_dr(inputs: RankingInputs) -> Terms:
    """Return terms for mean(Σₗ [w₁..ₗ (rᵢₗ - q̂ᵢₗ) + w₁..ₗ₋₁ E q̂ᵢₗ]), w as for ``rips``.

    q̂ᵢₗ is what a model predicts for the item at l, given those above, and E q̂ᵢₗ its mean over what
    the target would put there. Unbiased under the cascade assumption whatever the model, with less
    variance the better it is; best is a model of all reward from l on. Source: Kiyohara et al.,
    2022, "Doubly robust off-policy evaluation for ranking policies under the cascade behavior
    model".

    Raises:
        EstimationError: there are no predictions.
    """
    predicted = needed(inputs.predicted, "a reward model's predictions", _HINT)
    expected = needed(inputs.expected, "a reward model's expectations", _HINT)
    weight = inputs.cascade_weight()
    above = np.ones_like(weight)
    above[:, 1:] = weight[:, :-1]
    terms = (weight * (inputs.reward - predicted) + above * expected).sum(axis=1)
    return Terms(terms, overlap=has_overlap(weight))
