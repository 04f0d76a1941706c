"""Models that learn nothing: every item alike, and the items as they were listed."""

from __future__ import annotations

import numpy as np

from bandit.types import FloatArray
from simulator.pages import Codes
from simulator.policies.models import Asked, Kind, Observed, Problem
from simulator.policies.orders import Scores, softmax
from simulator.policies.ties import best_pmf


class Even:
    """All items alike."""

    kind: Kind = "softmax"

    def start(self, problem: Problem) -> None:
        """Do nothing."""

    def learn(self, observed: Observed) -> None:
        """Learn nothing."""

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return equal logits."""
        return _even(sets)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return equal probabilities."""
        return softmax(_even(sets))


class AsListed:
    """The first item of a set before the second, and so on."""

    kind: Kind = "greedy"

    def start(self, problem: Problem) -> None:
        """Do nothing."""

    def learn(self, observed: Observed) -> None:
        """Learn nothing."""

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return falling scores."""
        return _falling(sets)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return all probability on the first."""
        return best_pmf(_falling(sets))


def _even(sets: Codes) -> Scores:
    return np.where(sets >= 0, 0.0, -np.inf)


def _falling(sets: Codes) -> Scores:
    return np.where(sets >= 0, -np.arange(float(sets.shape[-1])), -np.inf)
