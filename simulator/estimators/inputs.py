"""What estimators of single choices are given: (n,) arrays, however many actions there were.

Whatever needs a target's probability of *every* action (a reward model's expectation) was summed up
before, in pieces, so that no estimator holds an (n, K) array.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.errors import EstimationError, LoggedDataError, PropensityError
from simulator.logged import ROWS_TOLD
from simulator.targets import check_chosen


class Inputs(NamedTuple):
    """n rounds, float64 arrays of shape (n,)."""

    reward: FloatArray
    weight: FloatArray
    """The target's probability of the logged action over its propensity; not below 0."""
    predicted: FloatArray | None = None
    """The reward model's prediction for the logged action."""
    expected: FloatArray | None = None
    """The reward model's prediction averaged over the target's probabilities."""
    uniform: FloatArray | None = None
    """Draws from [0, 1), for estimators that accept rounds by chance; None: they draw by seed."""


class Prediction(NamedTuple):
    """A reward model's word on each round; both of shape (n,)."""

    predicted: FloatArray
    expected: FloatArray


def weighted(
    reward: FloatArray,
    probability: FloatArray,
    propensity: FloatArray,
    *,
    predicted: FloatArray | None = None,
    expected: FloatArray | None = None,
) -> Inputs:
    """Return inputs whose weights are the target's probabilities over the propensities.

    All arrays have the shape (n,); ``probability`` is the target's, of each logged action.

    Raises:
        EstimationError: there are no rounds.
        LoggedDataError: an array has another length than the rewards.
        TargetError: a probability is outside [0, 1].
        PropensityError: a propensity is outside (0, 1], or so small that a weight is infinite.
    """
    count = len(reward)
    if count == 0:
        raise EstimationError("there are no rounds", hint="give at least one logged round")
    columns = {"propensity": propensity, "predicted": predicted, "expected": expected}
    for column, values in columns.items():
        if values is not None and values.shape != (count,):
            raise LoggedDataError(
                column,
                f"has the shape {values.shape} for {count} rounds",
                hint="give every column one entry a round",
            )
    check_chosen(probability, count)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        weight: FloatArray = probability / propensity
        wrong = ~((propensity > 0) & (propensity <= 1) & np.isfinite(weight))
    if wrong.any():
        raise PropensityError(
            "propensity",
            f"is missing, zero, above 1 or next to nothing in {int(wrong.sum())} of {count} rounds",
            rows=np.flatnonzero(wrong)[:ROWS_TOLD].tolist(),
            hint="log the probability of each choice, and give every action a floor",
        )
    return Inputs(reward, weight, predicted, expected)


def prediction(inputs: Inputs) -> Prediction:
    """Return what a reward model says of the rounds.

    Raises:
        EstimationError: it was not asked.
    """
    if inputs.predicted is None or inputs.expected is None:
        raise EstimationError(
            "this estimator needs a reward model's predictions",
            hint="fit a reward model, or choose an estimator without one: ips or snips",
        )
    return Prediction(inputs.predicted, inputs.expected)


def check_parameter(name: str, value: float, *, high: float = np.inf) -> None:
    """Check a parameter of an estimator.

    Raises:
        EstimationError: it is NaN, negative or above ``high``.
    """
    if not 0 <= value <= high:
        bounds = "not below 0" if high == np.inf else f"within [0, {high:g}]"
        raise EstimationError(f"{name} is {value}", hint=f"give a number {bounds}")
