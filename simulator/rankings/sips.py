"""Standard inverse propensity scoring of whole rankings."""

from __future__ import annotations

from simulator.rankings.inputs import RankingInputs
from simulator.terms import Terms, has_overlap


def sips(inputs: RankingInputs) -> Terms:
    """Return terms for mean(wᵢ Σₗ rᵢₗ), w the ratio of the whole rankings' probabilities.

    Unbiased however rewards depend on the ranking, with weights that grow exponentially in L.
    Source: Precup, Sutton and Singh, 2000; for rankings McInerney et al., 2020.
    """
    weight = inputs.cascade_weight()[:, -1]
    return Terms(weight * inputs.reward.sum(axis=1), overlap=has_overlap(weight))


def snsips(inputs: RankingInputs) -> Terms:
    """Return terms for Σ wᵢ Σₗ rᵢₗ / Σ wᵢ: :func:`sips`, self-normalised (Hájek, 1971).

    Raises:
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights are 0.
    """
    weight = inputs.cascade_weight()[:, -1]
    return Terms(weight * inputs.reward.sum(axis=1), denominator=weight)
