"""Policies that count by segment of viewers: ε-greedy, explore-then-commit, KL-UCB.

They are those that Bendada, Salha and Bontempelli (RecSys 2020) compare on Deezer's carousels. For
each segment and item there are the displays n and what they earned, of mean p; of equal scores any
comes first, by chance. What was never displayed has the score 1.

* greedy: p. A share ``epsilon`` of uniform choices is mixed in by the policy, not here.
* explore-then-commit: items with fewer than ``displays`` displays come first, those that lack most
  before others; the others follow by p.
* KL-UCB (Garivier and Cappé, 2011): the greatest q with n · kl(p, q) ≤ log t, where t counts all
  displays of all items and segments.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import numpy as np

from bandit.types import FloatArray
from simulator.errors import SimulationError
from simulator.pages import Codes
from simulator.policies.models import Asked, Kind, Observed, Problem
from simulator.policies.orders import Scores
from simulator.policies.ties import best_pmf

_HALVINGS: Final = 40


class SegmentCounts(ABC):
    """Displays and rewards by segment and item."""

    kind: Kind = "greedy"

    def start(self, problem: Problem) -> None:
        """Begin with nothing counted."""
        shape = (max(1, problem.segments), len(problem.items))
        self._rewards = np.zeros(shape)
        self._displays = np.zeros(shape)
        self._table = self._worth()

    def learn(self, observed: Observed) -> None:
        """Count displays and what they earned."""
        if ((observed.rewards < 0) | (observed.rewards > 1)).any():
            raise SimulationError(
                "counts need rewards between 0 and 1", hint="scale the rewards to [0, 1]"
            )
        shape = self._rewards.shape
        place = observed.asked.segments.astype(np.intp) * shape[1] + observed.items
        cells = shape[0] * shape[1]
        self._rewards += np.bincount(place, observed.rewards, cells).reshape(shape)
        self._displays += np.bincount(place, minlength=cells).reshape(shape)
        self._table = self._worth()

    @abstractmethod
    def _worth(self) -> FloatArray:
        """Return (segments, N) scores."""

    def _means(self) -> FloatArray:
        """Return (segments, N) mean rewards, 1 of what was never displayed."""
        ones = np.ones(self._rewards.shape)
        return np.divide(self._rewards, self._displays, out=ones, where=self._displays > 0)

    def scores(self, asked: Asked, sets: Codes, rng: np.random.Generator) -> Scores:
        """Return scores; see :meth:`simulator.policies.models.Model.scores`."""
        return self._of(asked, sets)

    def pmf(self, asked: Asked, sets: Codes) -> FloatArray:
        """Return equal probabilities of the best of each set, 0 for others."""
        return best_pmf(self._of(asked, sets))

    def _of(self, asked: Asked, sets: Codes) -> FloatArray:
        segments = asked.segments.reshape(-1, *[1] * (sets.ndim - 1))
        return np.where(sets >= 0, self._table[segments, np.maximum(sets, 0)], -np.inf)


class SegmentGreedy(SegmentCounts):
    """The greatest mean first."""

    def _worth(self) -> FloatArray:
        return self._means()


class SegmentExploreThenCommit(SegmentCounts):
    """All items so often, then the greatest mean first."""

    def __init__(self, *, displays: float = 20.0) -> None:
        self._wanted = displays

    def _worth(self) -> FloatArray:
        lacking = np.maximum(self._wanted - self._displays, 0.0) / self._wanted
        return np.where(lacking > 0, 1.0 + lacking, self._means())


class SegmentKLUCB(SegmentCounts):
    """The greatest mean that what was seen does not speak against."""

    def _worth(self) -> FloatArray:
        mean = self._means()
        budget = np.log(max(self._displays.sum(), 1.0)) / np.maximum(self._displays, 1.0)
        low, high = mean, np.ones(mean.shape)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            within = _divergence(mean, middle) <= budget
            low, high = np.where(within, middle, low), np.where(within, high, middle)
        return np.where(self._displays > 0, low, 1.0)


def _divergence(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return the Kullback–Leibler divergence of Bernoulli variables, elementwise."""
    q = np.clip(q, 1e-15, 1 - 1e-15)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(p > 0, p * np.log(p / q), 0.0)
        second = np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    return np.asarray(first + second)
