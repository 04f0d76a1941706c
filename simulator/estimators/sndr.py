"""Self-normalised doubly robust."""

from __future__ import annotations

from simulator.estimators.dr import corrected
from simulator.estimators.inputs import Inputs
from simulator.terms import Terms


def sndr(inputs: Inputs) -> Terms:
    """Return terms for mean(q̂(xᵢ, π)) + Σ wᵢ (rᵢ - q̂(xᵢ, aᵢ)) / Σ wᵢ.

    DR with the correction normalised as in SNIPS. Source: Thomas and Brunskill, 2016, "weighted
    doubly robust", at horizon 1; Kallus and Uehara, 2019.

    Raises:
        EstimationError: there are no predictions.
        NoOverlapError: on :meth:`Terms.value` and :meth:`Terms.influence`, when all weights are 0.
    """
    terms = corrected(inputs, inputs.weight)
    return Terms(terms.numerator, denominator=inputs.weight, base=terms.base)
