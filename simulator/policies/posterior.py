"""What linear policies believe: the contract of a Gaussian posterior over rewards."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from bandit.types import Float32Array, FloatArray
from simulator.pages import Codes
from simulator.policies.models import Asked, Observed, Problem


class Beliefs(NamedTuple):
    """Mean and standard deviation of the expected reward of each item."""

    means: Float32Array
    """Shape (m, N)."""
    deviations: Float32Array
    """Shape (m, N)."""


class Contest(NamedTuple):
    """Items that compete, as independent Gaussians; -inf and 0 for gaps."""

    means: FloatArray
    """Shape (m, ..., K)."""
    deviations: FloatArray


class Prior(NamedTuple):
    """Ridge regression, told as a belief: weights ~ N(0, variance), rewards with ``noise``."""

    variance: float = 0.1
    noise: float = 0.1
    """Variance of rewards around their expectation."""


class Posterior(Protocol):
    """The exact posterior of a linear model with Gaussian noise."""

    def start(self, problem: Problem) -> None:
        """Begin with the prior."""
        ...

    def learn(self, observed: Observed) -> None:
        """Take up displays."""
        ...

    def beliefs(self, asked: Asked) -> Beliefs:
        """Return what is believed of every item."""
        ...

    def draw(
        self, asked: Asked, sets: Codes, rng: np.random.Generator, scale: float
    ) -> Float32Array:
        """Draw expected rewards of the sets' items, one draw a round; -inf for gaps.

        ``scale`` multiplies the posterior's deviations.
        """
        ...

    def contest(self, asked: Asked, sets: Codes) -> Contest:
        """Return independent Gaussians whose greatest is distributed as that of a draw."""
        ...
