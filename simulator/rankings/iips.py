"""Inverse propensity scoring with positions independent of each other."""

from __future__ import annotations

from simulator.rankings.inputs import RankingInputs
from simulator.terms import Terms, has_overlap


def iips(inputs: RankingInputs) -> Terms:
    """Return terms for mean(Σₗ wᵢₗ rᵢₗ), w the ratio of marginal probabilities at the position.

    Unbiased where a position's reward depends on its own item alone. Source: Li et al., 2018,
    "Offline evaluation of ranking policies with click models" (the item-position click model).

    Raises:
        EstimationError: there are no marginal probabilities.
    """
    weight = inputs.marginal_weight()
    return Terms((weight * inputs.reward).sum(axis=1), overlap=has_overlap(weight))


def sniips(inputs: RankingInputs) -> Terms:
    """Return terms for Σₗ (Σᵢ wᵢₗ rᵢₗ / Σᵢ wᵢₗ): :func:`iips`, each position normalised by itself.

    Raises:
        EstimationError: there are no marginal probabilities.
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights of a
            position are 0.
    """
    weight = inputs.marginal_weight()
    return Terms(weight * inputs.reward, denominator=weight)
