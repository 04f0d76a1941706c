"""Inverse propensity scoring with positions independent of each other."""

from __future__ import annotations

from bandit.types import FloatArray
from simulator.rankings.inputs import RankingInputs, needed
from simulator.terms import Terms

_HINT = (
    "log marginal propensities: for Plackett-Luce orders placement_probabilities gives them, for "
    "uniform orders they are 1 over the number of candidates; or use rips, which needs none"
)


def iips(inputs: RankingInputs) -> Terms:
    """Return terms for mean(Σₗ wᵢₗ rᵢₗ), w the ratio of marginal probabilities at the position.

    Unbiased where a position's reward depends on its own item alone. Source: Li et al., 2018,
    "Offline evaluation of ranking policies with click models" (the item-position click model).

    Raises:
        EstimationError: there are no marginal probabilities.
    """
    return Terms((_weight(inputs) * inputs.reward).sum(axis=1))


def sniips(inputs: RankingInputs) -> Terms:
    """Return terms for Σₗ (Σᵢ wᵢₗ rᵢₗ / Σᵢ wᵢₗ): :func:`iips`, each position normalised by itself.

    Raises:
        EstimationError: there are no marginal probabilities.
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights of a
            position are 0.
    """
    weight = _weight(inputs)
    return Terms(weight * inputs.reward, denominator=weight)


def _weight(inputs: RankingInputs) -> FloatArray:
    logged = needed(inputs.logged_marginal, "marginal propensities of the log", _HINT)
    target = needed(inputs.target_marginal, "the target's marginal probabilities", _HINT)
    return target / logged
