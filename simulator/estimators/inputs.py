"""What estimators of single choices are given: (n,) arrays, however many actions there were.

Whatever needs a target's probability of *every* action (a reward model's expectation) was summed up
before, in pieces, so that no estimator holds an (n, K) array.
"""

from __future__ import annotations

from typing import NamedTuple

from bandit.types import FloatArray


class Inputs(NamedTuple):
    """n rounds, float64 arrays of shape (n,)."""

    reward: FloatArray
    weight: FloatArray
    """The target's probability of the logged action over its propensity; not below 0."""
    predicted: FloatArray | None = None
    """The reward model's prediction for the logged action."""
    expected: FloatArray | None = None
    """The reward model's prediction averaged over the target's probabilities."""
