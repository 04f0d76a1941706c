"""Inverse propensity scoring where viewers read from the top."""

from __future__ import annotations

from simulator.rankings.inputs import RankingInputs
from simulator.terms import Terms, has_overlap


def rips(inputs: RankingInputs) -> Terms:
    """Return terms for mean(Σₗ w₁..ₗ rᵢₗ), w the ratio of the rankings' tops down to the position.

    Unbiased where a position's reward depends on its own item and those above it (the cascade
    assumption). Source: McInerney et al., 2020, "Counterfactual evaluation of slate recommendations
    with sequential reward interactions".
    """
    weight = inputs.cascade_weight()
    return Terms((weight * inputs.reward).sum(axis=1), overlap=has_overlap(weight))


def snrips(inputs: RankingInputs) -> Terms:
    """Return terms for Σₗ (Σᵢ w rᵢₗ / Σᵢ w): :func:`rips`, each position normalised by itself.

    Source: McInerney et al., 2020; the normalisation by Hájek, 1971.

    Raises:
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights of a
            position are 0.
    """
    weight = inputs.cascade_weight()
    return Terms(weight * inputs.reward, denominator=weight)
