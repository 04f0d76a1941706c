"""Targets that learn nothing: what they would choose follows from the number of choices alone."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.logged import LoggedChoices
from simulator.policies.fixed import AsListed, Even
from simulator.policies.model_target import ModelTarget


class UniformTarget(ModelTarget):
    """Every choice alike."""

    def __init__(self) -> None:
        super().__init__("uniform", Even, learns=False)

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,) one over each round's number of actions."""
        return np.asarray(1.0 / logged.action_counts())


class EditorialTarget(ModelTarget):
    """The first of each set; of a share ``epsilon`` of choices, any."""

    def __init__(self, epsilon: float = 0.0) -> None:
        super().__init__("editorial", AsListed, learns=False, epsilon=epsilon)
        self._share = epsilon

    def chosen_probability(self, logged: LoggedChoices) -> FloatArray:
        """Return (n,) 1 where the first was logged, but for the share of any."""
        first = np.asarray(logged.action == 0, np.float64)
        if not self._share:
            return first
        return np.asarray((1 - self._share) * first + self._share * (1.0 / logged.action_counts()))
