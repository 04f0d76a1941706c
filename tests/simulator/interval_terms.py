"""Terms of small worlds for the tests of intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bandit.types import FloatArray
from simulator.terms import Terms


class Rounds(NamedTuple):
    """n rounds of two actions, logged with (0.3, 0.7), judged for (0.6, 0.4)."""

    weight: FloatArray
    reward: FloatArray
    predicted: FloatArray
    expected: FloatArray

    def ips(self) -> Terms:
        """Importance weighting."""
        return Terms(self.weight * self.reward)

    def snips(self) -> Terms:
        """Self-normalised."""
        return Terms(self.weight * self.reward, self.weight)

    def dr(self) -> Terms:
        """Doubly robust."""
        return Terms(self.weight * (self.reward - self.predicted), None, self.expected)

    def sndr(self) -> Terms:
        """Doubly robust, self-normalised."""
        return Terms(self.weight * (self.reward - self.predicted), self.weight, self.expected)


WEIGHT_MAX = 2.0
CLICK = np.array([0.5, 0.2])
TRUTH = 0.6 * 0.5 + 0.4 * 0.2


def draw_rounds(rng: np.random.Generator, count: int) -> Rounds:
    """Draw rounds; the reward model is off by a tenth."""
    first = rng.random(count) < 0.3
    action = np.where(first, 0, 1)
    weight = np.where(first, 2.0, 4 / 7)
    reward = (rng.random(count) < CLICK[action]).astype(np.float64)
    model = CLICK + 0.1
    expected = np.full(count, 0.6 * model[0] + 0.4 * model[1])
    return Rounds(weight, reward, model[action], expected)
