"""What the rounds say of each candidate: sums that can be gathered block by block.

C candidates throughout. Means and squared deviations are merged as in Chan, Golub and LeVeque
(1979), so that blocks and the whole give the same numbers up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError, NotApplicableError
from simulator.estimators.inputs import Inputs, prediction
from simulator.estimators.registry import EstimatorSpec


class Evidence(NamedTuple):
    """Moments of the rounds' terms under each candidate; arrays have the shape (C,)."""

    candidates: tuple[float, ...]
    rounds: int
    mean: FloatArray
    """Of the terms: the estimate."""
    deviations: FloatArray
    """Sum of the terms' squared deviations from their mean."""
    gap: FloatArray
    """Sum of (w - ŵ) (r - q̂): what modified weights leave out."""
    weight_squares: float
    """Sum of w²."""
    weight_max: float


def gather(spec: EstimatorSpec, inputs: Inputs, candidates: Sequence[float]) -> Evidence:
    """Return what rounds say of the candidates.

    Raises:
        NotApplicableError: the estimator has nothing to tune.
        EstimationError: there are no candidates or rounds, a candidate is out of range, or a
            model's predictions are missing.
    """
    if spec.modified is None:
        raise NotApplicableError(
            f"{spec.title} has no parameter that could be tuned",
            hint="tune one of ips, dr, switch-dr, dros, sgdr, mrdr",
        )
    if not candidates or not len(inputs.reward):
        raise EstimationError(
            f"there are {len(candidates)} candidates and {len(inputs.reward)} rounds to tune on",
            hint="give at least one of each",
        )
    # inputs may carry predictions that this estimator does not look at
    residual = inputs.reward
    if spec.needs_model:
        residual = residual - prediction(inputs).predicted
    mean, deviations, gap = np.empty((3, len(candidates)))
    for place, candidate in enumerate(candidates):
        terms = spec.terms(inputs, candidate).influence()
        mean[place] = terms.mean()
        deviations[place] = ((terms - mean[place]) ** 2).sum()
        left_out = inputs.weight - spec.modified(inputs.weight, candidate)
        gap[place] = (left_out * residual).sum()
    return Evidence(
        candidates=tuple(candidates),
        rounds=len(inputs.reward),
        mean=mean,
        deviations=deviations,
        gap=gap,
        weight_squares=float((inputs.weight**2).sum()),
        weight_max=float(inputs.weight.max()),
    )


def merged(first: Evidence, second: Evidence) -> Evidence:
    """Return the evidence of two blocks together.

    Raises:
        EstimationError: the blocks were asked about different candidates.
    """
    if first.candidates != second.candidates:
        raise EstimationError(
            "two blocks tell of different candidates", hint="fix the candidates before the blocks"
        )
    rounds = first.rounds + second.rounds
    step = second.mean - first.mean
    return Evidence(
        candidates=first.candidates,
        rounds=rounds,
        mean=first.mean + step * (second.rounds / rounds),
        deviations=first.deviations
        + second.deviations
        + step**2 * (first.rounds * second.rounds / rounds),
        gap=first.gap + second.gap,
        weight_squares=first.weight_squares + second.weight_squares,
        weight_max=max(first.weight_max, second.weight_max),
    )
