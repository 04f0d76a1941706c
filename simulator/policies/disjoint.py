"""A linear model of its own for each item, over the context (Li et al., WWW 2010, "disjoint").

The state is N precision matrices of D² float64 numbers, D being the context's features and a
constant. A batch of n displays costs n·D², and D³ for each item that it showed; beliefs of m rounds
cost m·N·D²/2.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from bandit.types import Float32Array
from simulator.errors import SimulationError
from simulator.pages import Codes
from simulator.policies.models import Asked, Observed, Problem, by_item, gathered
from simulator.policies.posterior import Beliefs, Contest, Prior
from simulator.policies.quadratic import inverse, product, products, weights, with_constant

_NUMBERS_MAX: Final = 250_000_000
"""Two gigabytes of precision matrices."""


class DisjointPosterior:
    """Ridge regression by item."""

    def __init__(self, prior: Prior) -> None:
        self._prior = prior

    def start(self, problem: Problem) -> None:
        """Begin with the prior.

        Raises:
            SimulationError: so many items and contexts so wide would need too much memory.
        """
        items, width = len(problem.items), problem.contexts + 1
        if items * width * width > _NUMBERS_MAX:
            raise SimulationError(
                f"{items} items with {width} weights each need too much memory",
                hint="take the shared model, which knows items by their features",
            )
        prior = np.eye(width) / self._prior.variance
        self._precision = np.tile(prior, (items, 1, 1))
        self._moment = np.zeros((items, width))
        self._means = np.zeros((items, width), np.float32)
        self._variances = np.tile(weights(inverse(prior)), (items, 1))

    def learn(self, observed: Observed) -> None:
        """Add up moments, and solve anew for the items that were shown."""
        order, items, starts = by_item(observed.items)
        contexts = with_constant(observed.asked.contexts[order]).astype(np.float64)
        rewards = observed.rewards[order]
        noise = self._prior.noise
        ends = [*starts[1:].tolist(), len(order)]
        for item, start, end in zip(items.tolist(), starts.tolist(), ends, strict=True):
            shown = contexts[start:end]
            self._precision[item] += shown.T @ shown / noise
            self._moment[item] += shown.T @ rewards[start:end] / noise
        covariance = inverse(self._precision[items])
        means = covariance @ self._moment[items][:, :, None]
        self._means[items] = means[:, :, 0]
        self._variances[items] = weights(covariance)

    def beliefs(self, asked: Asked) -> Beliefs:
        """Return what is believed of every item."""
        contexts = with_constant(asked.contexts)
        variances = product(products(contexts), self._variances.T)
        means = product(contexts, self._means.T)
        return Beliefs(means, np.sqrt(np.maximum(variances, 0.0)))

    def draw(
        self, asked: Asked, sets: Codes, rng: np.random.Generator, scale: float
    ) -> Float32Array:
        """Draw: items are independent, so that each is drawn for itself."""
        beliefs = self.beliefs(asked)
        means = np.asarray(gathered(beliefs.means, sets), np.float32)
        noise = rng.standard_normal(means.shape, dtype=np.float32)
        deviations = np.where(sets >= 0, gathered(beliefs.deviations, sets), 0.0)
        return np.asarray(means + np.float32(scale) * deviations * noise, np.float32)

    def contest(self, asked: Asked, sets: Codes) -> Contest:
        """Return the beliefs themselves: items are independent."""
        beliefs = self.beliefs(asked)
        deviations = np.where(sets >= 0, gathered(beliefs.deviations, sets), 0.0)
        return Contest(
            gathered(beliefs.means, sets).astype(np.float64), deviations.astype(np.float64)
        )
